package monitor_test

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestAVersionWhoseMemoryGrowsForMinutesIsSuspected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		pool := func(plugin string, private int64) monitor.Pool {
			return monitor.Pool{Ref: task.Ref{Namespace: "default", Plugin: plugin, Version: 1}, Guests: monitor.Guests{PrivateBytes: private}}
		}
		var unloaded atomic.Bool
		m := monitor.New(monitor.Sources{
			Pools: func() []monitor.Pool {
				if unloaded.Load() {
					return nil
				}
				return []monitor.Pool{pool("still", 100*mib), pool("grows", int64(time.Since(begun).Seconds()*mib))}
			},
			Guests: func() monitor.Guests { return monitor.Guests{} }, Scheduler: func() monitor.Scheduler { return monitor.Scheduler{} },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); m.Run(ctx) }()

		time.Sleep(2 * time.Minute)
		for _, v := range m.Stats().Memory.Versions {
			if v.LeakSuspected {
				t.Errorf("after two minutes: %+v", v)
			}
		}
		time.Sleep(4 * time.Minute)
		s := m.Stats().Memory
		grows, still := s.Versions[0], s.Versions[1]
		if !grows.LeakSuspected || grows.Growth < 0.99*mib || grows.Growth > 1.01*mib || still.LeakSuspected || still.Growth != 0 {
			t.Errorf("after six minutes: %+v and %+v", grows, still)
		}
		if s.Verdict == monitor.OK {
			t.Errorf("%+v", s.Layer)
		}

		// What is unloaded and comes again begins anew.
		unloaded.Store(true)
		time.Sleep(time.Minute)
		unloaded.Store(false)
		if v := m.Stats().Memory.Versions[0]; v.LeakSuspected || v.Growth != 0 {
			t.Errorf("after it was unloaded: %+v", v)
		}
		stop()
		<-ended
	})
}

func TestASlowDiskIsToldOfForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int64
		m := monitor.New(monitor.Sources{
			Pools: func() []monitor.Pool { return nil }, Guests: func() monitor.Guests { return monitor.Guests{} },
			Scheduler: func() monitor.Scheduler {
				return monitor.Scheduler{Begun: 1000, Refused: map[string]int64{"late": refused.Load()}}
			},
			Database: func() sql.DBStats { return sql.DBStats{OpenConnections: 3, InUse: 1, Idle: 2, WaitCount: 4} },
			Backlog:  func() monitor.Backlog { return monitor.Backlog{Waiting: 1, Limit: 100} },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); m.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		if c := m.Stats().Connections; c.Verdict != monitor.OK || c.Store.Open != 3 || c.Store.InUse != 1 || c.Store.Waits != 4 || c.Accepting.Limit != 100 {
			t.Errorf("%+v", c)
		}
		m.Commits.Observe(2 * time.Second)
		m.Commits.Observe(time.Millisecond)
		refused.Store(500)
		time.Sleep(30 * time.Second)
		s := m.Stats()
		if c := s.Connections; c.Verdict != monitor.Act || !strings.Contains(c.Why, "took 2 s") || c.Store.Commits.Count != 2 || c.Store.Commits.MaxMS < 1900 {
			t.Errorf("half a minute after a commit of two seconds: %+v", c)
		}
		if a := s.Async; a.Verdict != monitor.Act || !strings.Contains(a.Why, "500 of 500") {
			t.Errorf("after calls were refused: %+v", a.Layer)
		}
		time.Sleep(time.Minute)
		if s := m.Stats(); s.Connections.Verdict != monitor.OK || strings.Contains(s.Async.Why, "refused") {
			t.Errorf("a minute later: %+v, %+v", s.Connections.Layer, s.Async.Layer)
		}
		stop()
		<-ended
	})
}

// Each scrape and each look at /v1/stats costs this, and every five seconds.
func BenchmarkStats(b *testing.B) {
	for _, resident := range []int{0, 256, 1024} {
		b.Run(fmt.Sprintf("ballast=%dMiB", resident), func(b *testing.B) {
			ballast := make([]byte, resident*mib)
			for at := 0; at < len(ballast); at += 4096 {
				ballast[at] = 1
			}
			m := newMonitor()
			for b.Loop() {
				m.Stats()
			}
			runtime.KeepAlive(ballast)
		})
	}
}
