package monitor

import (
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

func TestVerdictsFollowTheThresholds(t *testing.T) {
	pauses := func(seconds float64) *metrics.Float64Histogram {
		return &metrics.Float64Histogram{Counts: []uint64{100}, Buckets: []float64{0, seconds}}
	}
	calm := func() *reading { return &reading{now: golang{pauses: pauses(0), latencies: pauses(0)}} }
	memory := func(change func(*Memory, *kernel, *reading)) *judgement {
		m, k, past := &Memory{}, &kernel{}, calm()
		change(m, k, past)
		return m.judge(*k, past, false)
	}
	objects := func(past reading, allocated float64) *judgement {
		o := &Objects{AllocatedBytesPerSec: allocated}
		return o.judge(&past, 60)
	}
	connections := func(past reading, b Backlog) *judgement {
		c := &Connections{Accepting: b}
		return c.judge(&past, 60)
	}
	async := func(a Async, past reading) *judgement {
		a.GOMAXPROCS = 4
		return a.judge(&past)
	}
	for _, tt := range []struct {
		name string
		got  *judgement
		want Verdict
		says string
	}{
		{"nothing", memory(func(*Memory, *kernel, *reading) {}), OK, "no threshold"},
		{"Go near its limit", memory(func(m *Memory, _ *kernel, _ *reading) {
			m.Go = Go{ObjectsBytes: 50, FreeBytes: 40, LimitBytes: 100, ReleasedBytes: 1000}
		}), Watch, "go.memory_limit"},
		{"Go at its limit", memory(func(m *Memory, _ *kernel, _ *reading) { m.Go = Go{ObjectsBytes: 96, LimitBytes: 100} }), Act, "go.memory_limit"},
		{"no limit", memory(func(m *Memory, _ *kernel, _ *reading) { m.Go = Go{ObjectsBytes: 96} }), OK, ""},
		{"a full machine", memory(func(_ *Memory, k *kernel, _ *reading) { k.free, k.machine = 2, 100 }), Act, "available"},
		{"a machine that does not tell", memory(func(_ *Memory, k *kernel, _ *reading) { k.free = 0 }), OK, ""},
		{"a collector that works much", memory(func(m *Memory, _ *kernel, _ *reading) { m.GCCPUShare = 0.2 }), Watch, "20%"},
		{"long pauses", memory(func(_ *Memory, _ *kernel, r *reading) { r.now.pauses = pauses(0.2) }), Act, "200 ms"},
		{"the worst is told", memory(func(m *Memory, _ *kernel, r *reading) { m.GCCPUShare, r.now.pauses = 0.2, pauses(0.2) }), Act, "pauses"},
		{"a leak", memory(func(m *Memory, _ *kernel, _ *reading) {
			m.Versions = []VersionMemory{{Plugin: "up", Version: 3, LeakSuspected: true, Growth: 1 << 20}}
		}), Watch, "up version 3 grew by 60"},

		{"instances for a few calls each", objects(reading{births: 200, calls: 1000}, 0), Watch, "200 instances were made for 1000 calls"},
		{"an instance for each call", objects(reading{births: 1000, calls: 1000}, 0), Act, "instances"},
		{"a few instances", objects(reading{births: 20, calls: 20}, 0), OK, ""},
		{"much allocation", objects(reading{}, 2<<30), Watch, "2 GiB a second"},
		{"buffers that are not found", objects(reading{gets: 2000, misses: 1500}, 0), Watch, "75%"},
		{"few buffers", objects(reading{gets: 20, misses: 20}, 0), OK, ""},

		{"a line of connections", connections(reading{}, Backlog{60, 100}), Act, "60 connections wait"},
		{"no backlog known", connections(reading{}, Backlog{}), OK, ""},
		{"a slow disk", connections(reading{commit: 200 * time.Millisecond}, Backlog{}), Watch, "0.2 s"},
		{"a slow module", connections(reading{blobWrite: 11 * time.Second}, Backlog{}), Act, "module"},
		{"waits for the database", connections(reading{databaseWait: 60 * time.Second}, Backlog{}), Act, "waited 60 s"},
		{"a connection for each call", connections(reading{opened: 3000, requests: 3000}, Backlog{}), Watch, "let clients keep them"},
		{"connections that are kept", connections(reading{opened: 3000, requests: 30000}, Backlog{}), OK, ""},

		{"a wait for a P", async(Async{RunQueueLately: 20}, reading{}), Watch, "20 ms"},
		{"calls refused", async(Async{}, reading{begun: 80, refused: 20}), Act, "20 of 100"},
		{"few calls refused", async(Async{}, reading{begun: 1, refused: 5}), OK, ""},
		{"no room", async(Async{Scheduler: SchedulerRow{Lately: 0.99, Waiting: 2}}, reading{}), Watch, "99%"},
		{"full, and nobody waits", async(Async{Scheduler: SchedulerRow{Lately: 0.99}}, reading{}), OK, ""},
		{"a mutex", async(Async{MutexWaitShare: 1.5}, reading{}), Watch, "mutex"},
	} {
		if tt.got.verdict != tt.want || !strings.Contains(tt.got.why, tt.says) {
			t.Errorf("%s: %s, %s; want %s, ...%s...", tt.name, tt.got.verdict, tt.got.why, tt.want, tt.says)
		}
	}
}

func TestWhatTheKernelTellsIsRead(t *testing.T) {
	k := parseRollup([]byte("00400000-7ffe - ---p 00000000 00:00 0    [rollup]\nRss:  74404 kB\nPss: 74397 kB\nPss_Anon:   54396 kB\nPss_File:          17461 kB\n" +
		"Pss_Shmem:          2540 kB\nPrivate_Dirty:     73296 kB\nSwap:  12 kB\nSwapPss: 7 kB\nodd\nRss: x kB\n"))
	want := kernel{resident: 74404 << 10, once: 74397 << 10, anonymous: 54396 << 10, files: 17461 << 10, shared: 2540 << 10, dirty: 73296 << 10, swapped: 12 << 10}
	if k != want {
		t.Errorf("%+v, want %+v", k, want)
	}
}

func TestAMinuteIsWhatWasAddedSinceItsFirstMoment(t *testing.T) {
	begun := time.Now()
	at := func(n int) *moment {
		m := new(moment)
		m.at, m.now, m.requests, m.commit = begun.Add(time.Duration(n)*time.Second), readGo(), int64(10*n), time.Duration(n)
		return m
	}
	if _, seconds := added(nil, &at(3).reading); seconds != 0 {
		t.Errorf("without moments there are %v seconds", seconds)
	}
	var h history
	for n := range 100 {
		h.note(at(n))
	}
	now := at(100)
	past, seconds := added(h.since(now.at.Add(-lately)), &now.reading)
	if past.requests != 600 || seconds != 60 || past.commit != 100 {
		t.Errorf("%d requests in %v seconds, and a commit of %d", past.requests, seconds, past.commit)
	}
}
