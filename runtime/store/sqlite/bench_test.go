package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

func opened(b testing.TB, o sqlite.Options) (db *sqlite.DB, path string, commits *times) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "prismrt.db")
	db, err := sqlite.Open(b.Context(), path, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	commits = new(times)
	db.OnCommit = commits.observe
	return db, path, commits
}

// times is how long each of something took.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (c *times) observe(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, d)
}

// quantile is in milliseconds.
func (c *times) quantile(q float64) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.all)
	return c.all[int(q*float64(len(c.all)-1))].Seconds() * 1000
}

var payload = make([]byte, 256)

func plain(plugin int) store.Task {
	return store.Task{
		ID: task.NewID(), Namespace: "default", Plugin: fmt.Sprintf("plugin-%d", plugin), Priority: task.DefaultPriority,
		Created: time.Now(), Input: payload,
	}
}

func succeeded(l store.Lease) store.Outcome {
	now := time.Now()
	return store.Outcome{
		ID: l.ID, Attempt: l.Attempt, State: task.Succeeded, Output: payload, Expires: now.Add(24 * time.Hour),
		Last: store.Attempt{Number: l.Attempt, Begun: now, Ended: now, Version: 1, Digest: task.DigestOf(nil), Fuel: 12345, Run: time.Microsecond},
	}
}

// BenchmarkTasks submits, leases and finishes tasks of 256 bytes with results of 256 bytes:
// what a queue asks of its database, without the queue. Each submitter waits for its
// receipts; eight workers lease and finish up to 64 of a lane.
func BenchmarkTasks(b *testing.B) {
	for _, c := range []struct {
		submitters, batch int
		o                 sqlite.Options
	}{
		{submitters: 1, batch: 1},
		{submitters: 64, batch: 1},
		{submitters: 256, batch: 1},
		{submitters: 4, batch: 256},
		{submitters: 256, batch: 1, o: sqlite.Options{SyncEvery: 100 * time.Millisecond}},
	} {
		b.Run(fmt.Sprintf("submitters=%d/batch=%d/sync=%v", c.submitters, c.batch, c.o.SyncEvery), func(b *testing.B) {
			db, path, commits := opened(b, c.o)
			ctx := context.Background()
			var submits times
			var left, done atomic.Int64
			left.Store(int64(b.N))
			var submitting, working sync.WaitGroup
			over, end := context.WithCancel(ctx)
			defer end()
			for range workers {
				working.Go(func() { work(over, b, db, &done, int64(b.N), end) })
			}
			b.ResetTimer()
			for s := range c.submitters {
				submitting.Go(func() {
					for {
						n := min(int64(c.batch), left.Add(-int64(c.batch))+int64(c.batch))
						if n <= 0 {
							return
						}
						tasks := make([]store.Task, n)
						for i := range tasks {
							tasks[i] = plain(s % 3)
						}
						begun := time.Now()
						if _, err := db.Submit(ctx, tasks); err != nil {
							b.Error(err)
							return
						}
						submits.observe(time.Since(begun))
					}
				})
			}
			submitting.Wait()
			working.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			b.ReportMetric(float64(b.N)/float64(len(commits.all)), "tasks/commit")
			for q, name := range map[float64]string{0.5: "p50", 0.99: "p99", 1: "max"} {
				b.ReportMetric(submits.quantile(q), "ms-submit-"+name)
			}
			b.ReportMetric(float64(size(path)+size(path+"-wal"))/float64(b.N), "bytes/task")
			b.ReportMetric(float64(size(path+"-wal"))/1e6, "MB-log")
		})
	}
}

const workers = 8

func work(over context.Context, b *testing.B, db *sqlite.DB, done *atomic.Int64, all int64, end func()) {
	ctx := context.Background()
	for over.Err() == nil {
		arrived := db.Arrived()
		var wants []store.Want
		for _, l := range db.Backlog() {
			wants = append(wants, store.Want{Lane: l.Lane, Most: 64})
		}
		leases, err := db.Lease(ctx, wants, time.Now().Add(time.Minute))
		if err != nil {
			b.Error(err)
			return
		}
		if len(leases) == 0 {
			select {
			case <-arrived:
			case <-over.Done():
			}
			continue
		}
		outcomes := make([]store.Outcome, len(leases))
		for i, l := range leases {
			outcomes[i] = succeeded(l)
		}
		answers, err := db.Finish(ctx, outcomes)
		if err != nil {
			b.Error(err)
			return
		}
		for _, err := range answers {
			if err != nil {
				b.Error(err)
			}
		}
		if done.Add(int64(len(leases))) == all {
			end()
		}
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// BenchmarkOpen opens a database in which tasks of a hundred plugins wait, and leases some.
func BenchmarkOpen(b *testing.B) {
	for _, waiting := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			db, path, _ := opened(b, sqlite.Options{SyncEvery: time.Second})
			submitAll(b, db, waiting, 100)
			b.ReportMetric(float64(size(path)+size(path+"-wal"))/float64(waiting), "bytes/task")
			db.Close()
			b.ResetTimer()
			for range b.N {
				db, err := sqlite.Open(b.Context(), path, sqlite.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if leases, err := db.Lease(b.Context(), []store.Want{{Lane: laneOf(0), Most: 64}}, time.Now()); err != nil || len(leases) != 64 {
					b.Fatal(len(leases), err)
				}
				b.StopTimer()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
				b.ReportMetric(resident(b), "MB-resident")
				db.Close()
				b.StartTimer()
			}
		})
	}
}

func laneOf(plugin int) store.Lane {
	return store.Lane{Namespace: "default", Plugin: fmt.Sprintf("plugin-%d", plugin), Priority: task.DefaultPriority}
}

func submitAll(b testing.TB, db *sqlite.DB, n, plugins int) {
	b.Helper()
	for n > 0 {
		tasks := make([]store.Task, min(n, 1000))
		for i := range tasks {
			tasks[i] = plain(i % plugins)
		}
		if _, err := db.Submit(context.Background(), tasks); err != nil {
			b.Fatal(err)
		}
		n -= len(tasks)
	}
}

// resident is the memory of the process.
func resident(b testing.TB) float64 {
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	var size, pages float64
	fmt.Sscan(string(status), &size, &pages)
	return pages * float64(os.Getpagesize()) / 1e6
}

// BenchmarkPage reads a page of 50 of a database with 200,000 tasks, of which half have
// ended, a hundredth of those badly.
func BenchmarkPage(b *testing.B) {
	db, _, _ := opened(b, sqlite.Options{SyncEvery: time.Second})
	const each = 100_000
	endAll(b, db, each)
	submitAll(b, db, each, 100)
	for name, q := range map[string]store.Query{
		"all":                 {},
		"plugin":              {Namespace: "default", Plugin: "plugin-7"},
		"succeeded":           {State: task.Succeeded},
		"dead":                {State: task.Dead},
		"dead/plugin":         {State: task.Dead, Namespace: "default", Plugin: "plugin-7"},
		"queued":              {State: task.Queued},
		"queued/plugin":       {State: task.Queued, Namespace: "default", Plugin: "plugin-7"},
		"running-there-is-no": {State: task.Running},
	} {
		q.Limit = 50
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Page(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// endAll submits so many tasks to a hundred plugins and has them end, one of a hundred badly.
func endAll(b testing.TB, db *sqlite.DB, n int) {
	b.Helper()
	submitAll(b, db, n, 100)
	for p := range 100 {
		for {
			leases, err := db.Lease(context.Background(), []store.Want{{Lane: laneOf(p), Most: 1000}}, time.Now().Add(time.Hour))
			if err != nil {
				b.Fatal(err)
			}
			if len(leases) == 0 {
				break
			}
			outcomes := make([]store.Outcome, len(leases))
			for i, l := range leases {
				if outcomes[i] = succeeded(l); i%100 == 99 {
					outcomes[i].State, outcomes[i].Output, outcomes[i].Last.Kind = task.Dead, nil, task.KindTrap
				}
			}
			finish(b, db, outcomes...)
		}
	}
}

// BenchmarkForget forgets 50,000 tasks that have ended.
func BenchmarkForget(b *testing.B) {
	const ended = 50_000
	for range b.N {
		b.StopTimer()
		db, path, commits := opened(b, sqlite.Options{})
		endAll(b, db, ended)
		commits.all = nil
		before := size(path)
		b.StartTimer()
		if n, err := db.Forget(b.Context(), time.Now().Add(1000*time.Hour), 0, ended); err != nil || n != ended {
			b.Fatal(n, err)
		}
		b.StopTimer()
		b.ReportMetric(commits.quantile(0.5), "ms-commit-p50")
		endAll(b, db, ended)
		b.ReportMetric(float64(size(path))/float64(before), "size-with-as-many-again")
		db.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(ended*b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkBackup copies a database of 100,000 tasks that waits.
func BenchmarkBackup(b *testing.B) {
	db, path, _ := opened(b, sqlite.Options{SyncEvery: time.Second})
	endAll(b, db, 100_000)
	dir := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		var bytes int64
		if err := sqlite.Backup(b.Context(), path, filepath.Join(dir, fmt.Sprint(n)), func(_, total int64) { bytes = total }); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(bytes)
	}
}
