package served

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/procfs"
)

// sampleEvery is how often resident memory is looked at.
const sampleEvery = 10 * time.Millisecond

// Memory is what a series of calls took of the server, in bytes. All is zero where
// the system does not tell.
type Memory struct {
	Base uint64 `json:"base_bytes"` // resident before the series
	Peak uint64 `json:"peak_bytes"` // the most that was resident during it
	Rise uint64 `json:"rise_bytes"`
}

// Known reports whether the system told.
func (m Memory) Known() bool { return m.Peak > 0 }

// Watch follows the resident memory of a process.
type Watch struct {
	pid    int
	base   uint64
	marked bool // the system's own high-water mark began with the watch
	quit   chan struct{}
	done   sync.WaitGroup
	peak   uint64 // of the samples; read it after done
}

// WatchMemory begins to watch.
func (p *Process) WatchMemory() *Watch {
	pid := p.PID
	w := &Watch{pid: pid, quit: make(chan struct{})}
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

// End ends the watch. Of a process that is gone the samples remain.
func (w *Watch) End() Memory {
	close(w.quit)
	w.done.Wait()
	if _, mark := resident(w.pid); w.marked {
		w.peak = max(w.peak, mark)
	}
	return Memory{Base: w.base, Peak: w.peak, Rise: w.peak - w.base}
}

// String says how far it rose.
func (m Memory) String() string {
	if !m.Known() {
		return "unknown"
	}
	return humanize.IBytes(m.Rise)
}

// Resident returns how much memory of the process is resident, in bytes; 0 where
// the system does not tell.
func (p *Process) Resident() uint64 {
	now, _ := resident(p.PID)
	return now
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
