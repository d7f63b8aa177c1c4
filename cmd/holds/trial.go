package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/timings"
	"github.com/marketprism/prismrt/sdk/client"
)

// What kindOf says of answers that are no problem of a kind.
const (
	kindOK         = "ok"
	kindUnanswered = "unanswered" // within the patience
	kindBroken     = "broken"     // no answer, or none that could be read
)

// kindOf says how a call was answered.
func kindOf(err error) string {
	if err == nil {
		return kindOK
	}
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind != "" {
		return string(p.Kind)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return kindUnanswered
	}
	return kindBroken
}

// trial is the calls of one guest while they are made.
type trial struct {
	*limitsCmd
	guest  guest
	server *served.Process
	module []byte
	good   string // the plugin of the well-behaved calls

	answered, next *timings.Histogram

	mu  sync.Mutex // guards the row during a round
	row series
}

// prepare uploads the guest, and another where the guest cannot be, and makes a
// few well-behaved calls, so that what the server takes for its own work is there
// before the series.
func (r *trial) prepare(ctx context.Context, modules map[string][]byte) error {
	r.good = r.guest.name
	if r.guest.start {
		r.good = "echo"
	}
	// The deadline of a call lowers this, and well-behaved calls have it all.
	manifest := fmt.Sprintf("[limits]\nmemory = %q\ntimeout = %q\n", r.Memory, r.Deadline+r.Patience)
	if _, _, err := r.server.Push(ctx, r.good, modules[r.good], client.PushOptions{Manifest: []byte(manifest)}); err != nil {
		return fmt.Errorf("upload %s: %w", r.good, err)
	}
	var all sync.WaitGroup
	errs := make([]error, 2*crowd)
	for i := range errs {
		all.Go(func() { errs[i] = r.call(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("a well-behaved call before the series: %w", err)
	}
	return r.settled(ctx)
}

// round makes the hostile calls at once, and a well-behaved one when all are
// answered and their instances gone. It returns false when there is no use in
// another.
func (r *trial) round(ctx context.Context) (goOn bool) {
	goOn = true
	var all sync.WaitGroup
	for n := range crowd {
		all.Go(func() {
			if !r.attack(ctx, n) {
				r.mu.Lock()
				defer r.mu.Unlock()
				goOn = false
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return false
	}
	if goOn {
		if err := r.settled(ctx); err != nil {
			r.row.broke("%v", err)
			goOn = false
		}
	}
	sent := time.Now()
	err := r.call(ctx)
	r.next.Add(time.Since(sent))
	if err != nil && ctx.Err() == nil {
		r.row.broke("the next call failed: %v", err)
		goOn = false
	}
	if r.server.Ended() {
		r.row.broke("the server ended: %v%s", r.server.Exit(), r.server.Tail())
		goOn = false
	}
	return goOn
}

// attack makes a hostile call, or upload. It returns false when there was no answer.
func (r *trial) attack(ctx context.Context, n int) bool {
	limited, cancel := context.WithTimeout(ctx, r.Deadline+r.Patience)
	defer cancel()
	sent := time.Now()
	var err error
	if r.guest.start {
		_, _, err = r.server.Push(limited, fmt.Sprintf("start-%d", n), r.module, client.PushOptions{})
	} else {
		_, err = r.server.Call(limited, r.guest.name, []byte("attack"), client.CallOptions{Timeout: r.Deadline})
	}
	took := time.Since(sent)
	if ctx.Err() != nil {
		return false
	}
	r.answered.Add(took)
	kind := kindOf(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.row.Kinds[kind]++
	if r.row.Said == "" && err != nil {
		r.row.Said = err.Error()
	}
	return kind != kindUnanswered && kind != kindBroken
}

// call makes a well-behaved call and checks its answer.
func (r *trial) call(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.Deadline+r.Patience)
	defer cancel()
	result, err := r.server.Call(ctx, r.good, []byte("ok"), client.CallOptions{})
	if err == nil && string(result.Output) != "ok" {
		err = fmt.Errorf("the answer is %q, not ok", result.Output)
	}
	return err
}

// settled waits until no instance is lent any more, those included that are
// being taken down. The error says what it last saw when that takes too long.
func (r *trial) settled(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	seen := errors.New("the server does not tell")
	for {
		p, err := r.server.Plugin(limited, r.good)
		switch {
		case err == nil && p.Pool != nil && p.Pool.Lent == 0:
			return nil
		case err == nil && p.Pool != nil:
			seen = fmt.Errorf("%d lent, %d being built, %d ready", p.Pool.Lent, p.Pool.Building, p.Pool.Ready)
		case limited.Err() == nil:
			seen = err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-limited.Done():
			return fmt.Errorf("instances were kept for over %v: %w", r.Patience, seen)
		}
	}
}
