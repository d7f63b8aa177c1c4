package main

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barDelay is how long something may take before a bar appears: what is over in a blink
// needs none.
const barDelay = 500 * time.Millisecond

// bar shows how far something is.
type bar struct {
	started time.Time
	options []progressbar.Option

	mu      sync.Mutex
	bar     *progressbar.ProgressBar // from the first progress on, since it measures time
	shown   bool
	stopped bool
}

// newUploadBar makes a bar of bytes.
func newUploadBar(w io.Writer) *bar {
	return newBar(w, "uploading", progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
}

// newTaskBar makes a bar of tasks, with how many come in a second.
func newTaskBar(w io.Writer, description string) *bar {
	return newBar(w, description, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("tasks"))
}

func newBar(w io.Writer, description string, options ...progressbar.Option) *bar {
	return &bar{started: time.Now(), options: append(options,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(description),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// progress is told how much there is by now, by whatever goroutine, and of how much: -1 is
// unknown.
func (b *bar) progress(now, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(total, b.options...)
		b.bar.Reset() // without which its clock would start when it is shown
	}
	if b.shown = b.shown || time.Since(b.started) >= barDelay; !b.shown {
		return
	}
	// A terminal that cannot be written to is no reason to fail.
	_ = b.bar.Set64(now)
}

// stop takes the bar away.
func (b *bar) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.shown {
		_ = b.bar.Exit()
		_ = b.bar.Clear()
	}
}
