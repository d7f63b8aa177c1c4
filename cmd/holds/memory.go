package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// sampleEvery is how often resident memory is looked at.
const sampleEvery = 10 * time.Millisecond

// memory is what a series of calls took of the server, in bytes. All but the
// bound is zero where the system does not tell.
type memory struct {
	Base  uint64 `json:"base_bytes"` // resident before the series
	Peak  uint64 `json:"peak_bytes"` // the most that was resident during it
	Rise  uint64 `json:"rise_bytes"`
	Bound uint64 `json:"bound_bytes"` // what it may rise by
}

func (m memory) known() bool { return m.Peak > 0 }

// watch follows the resident memory of a process.
type watch struct {
	pid    int
	base   uint64
	marked bool // the system's own high-water mark began with the watch
	quit   chan struct{}
	done   sync.WaitGroup
	peak   uint64 // of the samples; read it after done
}

// watchMemory begins to watch.
func watchMemory(pid int) *watch {
	w := &watch{pid: pid, quit: make(chan struct{})}
	// 5 resets the high-water mark: proc(5), "/proc/pid/clear_refs". Without that
	// right the samples have to do.
	w.marked = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) == nil
	w.base, _ = resident(pid)
	w.peak = w.base
	w.done.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				now, _ := resident(pid)
				w.peak = max(w.peak, now)
			case <-w.quit:
				return
			}
		}
	})
	return w
}

// end ends the watch. Of a process that is gone the samples remain.
func (w *watch) end() memory {
	close(w.quit)
	w.done.Wait()
	if _, mark := resident(w.pid); w.marked {
		w.peak = max(w.peak, mark)
	}
	return memory{Base: w.base, Peak: w.peak, Rise: w.peak - w.base}
}

// resident returns how much is resident and the most that ever was, 0 where the
// system does not tell.
func resident(pid int) (now, mark uint64) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0, 0
	}
	return status.VmRSS, status.VmHWM
}
