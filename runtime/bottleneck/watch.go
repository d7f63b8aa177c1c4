package bottleneck

import (
	"context"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// Now is the window in which what is slow now is found: a cause that began so long ago
	// fills it, and one that has ended leaves it.
	Now = 10 * time.Second

	watchEvery = 2 * time.Second
	closesIn   = 3 // looks at which a finding is no longer there
)

// Watcher tells when findings come and go.
type Watcher struct {
	Window func(time.Duration) *monitor.Window
	Hot    Hot // may be nil

	// Opened is told of what is found for the first time, and Closed, with how it was last,
	// of what is gone. They are called one at a time.
	Opened, Closed func(Finding)

	open map[subject]*seen
}

// subject is what stays the same from one finding to the next.
type subject struct {
	rule string
	ref  task.Ref
}

type seen struct {
	last   Finding
	missed int // looks in a row
}

// Run looks every two seconds until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.look()
		}
	}
}

func (w *Watcher) look() {
	if w.open == nil {
		w.open = make(map[subject]*seen)
	}
	for _, one := range w.open {
		one.missed++
	}
	for _, f := range Find(w.Window(Now), w.Hot) {
		of := subject{f.Rule, f.Ref}
		if w.open[of] == nil {
			w.Opened(f)
		}
		w.open[of] = &seen{last: f}
	}
	for of, one := range w.open {
		if one.missed >= closesIn {
			delete(w.open, of)
			w.Closed(one.last)
		}
	}
}
