package callback_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

func TestADeadReceiverDelaysNoOther(t *testing.T) {
	hang := make(chan struct{})
	dead := newReceiver(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	well := newReceiver(t, nil)
	w := newWorld(t, dead.host(), well.host())
	w.options.Timeout = time.Minute
	w.end(4000, dead.URL, task.Succeeded, "out")
	w.run()
	until(t, "the dead one is called", func() bool { return len(dead.all()) == 8 })
	w.end(500, well.URL, task.Succeeded, "out")
	until(t, "the other one is told", func() bool { return len(well.ids(t)) == 500 })
	if n := len(dead.all()); n != 8 {
		t.Errorf("the dead one was called %d times", n)
	}
	until(t, "the others are owed", func() bool { return w.owed() == 4000 })
}

// One that fails is left alone for a while, by what waits for it, too, and then tried by one
// call.
func TestAReceiverThatFailsIsTriedByOneCall(t *testing.T) {
	again := make(chan struct{})
	var tries atomic.Int64
	begun := time.Now()
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if time.Since(begun) > 3*time.Second { // it was left alone in between
			tries.Add(1)
			select {
			case <-again:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(500)
	})
	defer close(again)
	w := newWorld(t, r.host())
	w.options.Backoff = time.Hour
	w.end(300, r.URL, task.Succeeded, "out")
	w.run()
	until(t, "it is called", func() bool { return len(r.all()) >= 3 })
	until(t, "it is tried", func() bool { return tries.Load() == 1 })
	time.Sleep(100 * time.Millisecond)
	if n := len(r.all()); n > 16 || tries.Load() != 1 {
		t.Errorf("called %d times, and tried %d times", n, tries.Load())
	}
	if w.owed() != 300 {
		t.Errorf("%d are owed", w.owed())
	}
}

func TestAReceiverHasNoMoreCallsThanItMay(t *testing.T) {
	var now, most atomic.Int64
	slow := func(http.ResponseWriter, *http.Request, int) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
	}
	r := newReceiver(t, slow)
	w := newWorld(t, r.host())
	w.options.PerReceiver = 3
	ids := w.end(700, r.URL, task.Succeeded, "out") // more than wait in memory
	w.run()
	until(t, "all are told", func() bool { return w.owed() == 0 })
	if most.Load() != 3 {
		t.Errorf("%d calls at the same time, want 3", most.Load())
	}
	counts := r.ids(t)
	for _, id := range ids {
		if counts[id] != 1 {
			t.Errorf("%s was told %d times", id, counts[id])
		}
	}
}

func TestAllCallsTogetherAreBounded(t *testing.T) {
	var now, most atomic.Int64
	var urls, hosts []string
	for range 6 {
		r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			now.Add(-1)
		})
		urls, hosts = append(urls, r.URL), append(hosts, r.host())
	}
	w := newWorld(t, hosts...)
	w.options.AtOnce, w.options.PerReceiver = 4, 4
	for _, url := range urls {
		w.end(40, url, task.Succeeded, "out")
	}
	w.run()
	until(t, "all are told", func() bool { return w.owed() == 0 })
	if most.Load() > 4 {
		t.Errorf("%d calls at the same time", most.Load())
	}
}
