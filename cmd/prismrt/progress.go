package main

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barDelay is how long an upload may take before a bar appears: what is over in
// a blink needs none.
const barDelay = 500 * time.Millisecond

// uploadBar shows how far an upload is.
type uploadBar struct {
	w       io.Writer
	started time.Time

	mu      sync.Mutex
	bar     *progressbar.ProgressBar // nil until it appears
	stopped bool
}

func newUploadBar(w io.Writer) *uploadBar { return &uploadBar{w: w, started: time.Now()} }

// progress is told how many bytes are on their way, by whatever goroutine.
func (u *uploadBar) progress(sent, total int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped || time.Since(u.started) < barDelay {
		return
	}
	if u.bar == nil {
		u.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(u.w),
			progressbar.OptionSetDescription("uploading"),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	// A terminal that cannot be written to is no reason to fail an upload.
	_ = u.bar.Set64(sent)
}

// stop takes the bar away.
func (u *uploadBar) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	if u.bar != nil {
		_ = u.bar.Exit()
		_ = u.bar.Clear()
	}
}
