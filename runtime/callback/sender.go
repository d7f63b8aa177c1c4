// Package callback tells the URL of each task that asked for it that the task has ended:
// signed, at least once, and however long the URL's own server takes.
package callback

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Sender calls back. What it does it does from Run's goroutine, calls apart.
type Sender struct {
	options Options
	client  *http.Client

	receivers map[outbound.Target]*receiver
	order     []*receiver       // that callbacks wait for, in turn
	taken     map[task.ID]*owed // waiting, being called, or not noted yet
	calls     int               // under way
	answered  chan answered

	// What is yet to be noted in the store.
	again []store.Callback
	over  []store.Callback
}

// answered is a call that is over.
type answered struct {
	*owed
	answer
}

// New makes a Sender. It panics with all that is wrong with the Options.
func New(o Options) *Sender {
	if err := o.fill(); err != nil {
		panic("callback: " + err.Error())
	}
	return &Sender{
		options: o, client: newClient(&o), receivers: make(map[outbound.Target]*receiver), taken: make(map[task.ID]*owed), answered: make(chan answered, o.AtOnce),
	}
}

// Check says why a URL cannot be called back, in a fault.
func (s *Sender) Check(callback string) error { return Check(&s.options.Hosts, callback) }

const (
	page      = 256                   // of callbacks that are fetched together
	leastPoll = 20 * time.Millisecond // between two looks, where no more are due than were fetched

	// mostTaken bounds those that are in memory. What cannot be noted, since the store takes
	// nothing, stays there.
	mostTaken = 2048
)

// Run calls back until ctx ends; it is called once. Calls that are under way then are broken
// off, and made again by the Sender after this one.
func (s *Sender) Run(ctx context.Context) error {
	calling, stop := context.WithCancel(ctx)
	var calls sync.WaitGroup
	defer func() {
		stop()
		calls.Wait()
		s.client.CloseIdleConnections()
		s.leave(ctx)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-s.answered:
			s.conclude(a)
			for len(s.answered) > 0 { // to note them together
				s.conclude(<-s.answered)
			}
		case <-timer.C:
			timer.Reset(s.fetch(ctx))
		}
		s.note(ctx)
		s.start(calling, &calls)
	}
}

// fetch takes callbacks that are due, and returns how long it is until it may be worth to
// do so again.
func (s *Sender) fetch(ctx context.Context) time.Duration {
	wait := s.options.Poll
	if len(s.taken) > mostTaken-page {
		return wait
	}
	now := time.Now()
	// Those that are taken are due still.
	most := len(s.taken) + page
	due, next, err := s.options.Store.Callbacks(ctx, now, most)
	if err != nil {
		s.failed(ctx, "read what is to be called back", err)
		return wait
	}
	var some []store.Callback
	var ids []task.ID
	for _, c := range due {
		if s.taken[c.ID] == nil {
			some, ids = append(some, c), append(ids, c.ID)
		}
	}
	if len(ids) > 0 {
		records, err := s.options.Records.Read(ctx, ids, 0)
		if err != nil {
			s.failed(ctx, "read tasks to call back for", err)
			return wait
		}
		for i, c := range some {
			s.take(c, &records[i], now)
		}
	}
	switch {
	case len(due) == most && len(some) > 0:
		return 0 // there may be more
	case !next.IsZero():
		return min(wait, max(next.Sub(now), leastPoll))
	}
	return wait
}

// take has a callback wait for its receiver, or puts it off.
func (s *Sender) take(c store.Callback, r *store.Record, now time.Time) {
	o := &owed{Callback: c, record: *r, until: r.Ended.Add(s.options.Within)}
	s.taken[c.ID] = o
	if r.ID == "" || !r.State.Ended() || !r.Ended.Equal(c.Ended) || r.Terms.Callback == "" {
		s.end(o) // it was forgotten, or sent again: what it owes then is another one
		return
	}
	u, err := url.Parse(r.Terms.Callback)
	if err == nil {
		err = s.Check(r.Terms.Callback)
	}
	if err != nil {
		s.giveUp(o, task.FaultOf(err).Message)
		return
	}
	o.record.Attempts = lastOf(r.Attempts)
	o.to = outbound.TargetOf(u)
	to := s.receivers[o.to]
	if to == nil {
		to = new(receiver)
		s.receivers[o.to] = to
	}
	s.admit(o, to, now)
}

// lastOf is what is told of attempts: many may be in memory for long.
func lastOf(attempts []store.Attempt) []store.Attempt {
	if len(attempts) == 0 {
		return nil
	}
	last := attempts[len(attempts)-1]
	last.Stack, last.Log = nil, nil
	return []store.Attempt{last}
}

// admit has a callback wait for its receiver, or puts it off.
func (s *Sender) admit(o *owed, to *receiver, now time.Time) {
	off := to.putOff(now)
	switch {
	case off.IsZero():
		if to.waiting = append(to.waiting, o); len(to.waiting) == 1 {
			s.order = append(s.order, to)
		}
	case !now.Before(o.until):
		s.giveUp(o, cmp.Or(o.Message, "it had no room, or was down"))
	default:
		o.Due = earlier(off, o.until)
		s.again = append(s.again, o.Callback)
	}
}

// start begins calls, of one receiver after another.
func (s *Sender) start(ctx context.Context, calls *sync.WaitGroup) {
	now := time.Now()
	for _, to := range s.order {
		if to.shut.After(now) {
			waiting := to.waiting
			to.waiting = nil
			for _, o := range waiting {
				s.admit(o, to, now) // puts it off
			}
		}
	}
	for busy := true; busy && ctx.Err() == nil; {
		busy = false
		left := s.order[:0:0]
		for _, to := range s.order {
			if len(to.waiting) > 0 && to.calls < to.most(s.options.PerReceiver) && s.calls < s.options.AtOnce {
				o := to.waiting[0]
				to.waiting = to.waiting[1:]
				to.calls++
				s.calls++
				busy = true
				calls.Go(func() { s.answered <- answered{o, s.tell(ctx, o)} })
			}
			if len(to.waiting) > 0 {
				left = append(left, to)
			}
		}
		s.order = left
	}
}

// tell makes the call.
func (s *Sender) tell(ctx context.Context, o *owed) answer {
	r := &o.record
	if r.State == task.Succeeded && r.OutputBytes <= s.options.Output {
		records, err := s.options.Records.Read(ctx, []task.ID{r.ID}, store.WithOutput)
		if err != nil {
			return answer{fault: "the output cannot be read: " + task.FaultOf(err).Message, ours: true}
		}
		r.Output = records[0].Output
	}
	return s.call(ctx, r.Terms.Callback, messageID(r), body(r))
}

// conclude makes of an answer what is noted in the store.
func (s *Sender) conclude(a answered) {
	now := time.Now()
	to := s.receivers[a.to]
	to.calls--
	s.calls--
	a.record.Output = nil
	if !a.ours {
		to.learn(&a.answer, now, s.options.PerReceiver)
	}
	if a.told {
		s.end(a.owed)
		return
	}
	s.options.Log.Debug("a callback failed", slog.Any("task", a.ID), slog.String("host", a.to.String()), slog.Int("tried", a.Tried+1), slog.String("reason", a.fault))
	a.Tried++
	a.Message = a.fault
	if a.gone || !now.Before(a.until) {
		s.giveUp(a.owed, a.fault)
		return
	}
	a.Due = earlier(later(now.Add(s.options.backoff(a.Tried)), to.shut), a.until)
	s.again = append(s.again, a.Callback)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// end has a callback behind it.
func (s *Sender) end(o *owed) { s.over = append(s.over, o.Callback) }

// giveUp ends a callback that was not told.
func (s *Sender) giveUp(o *owed, why string) {
	s.options.Log.Warn("a callback is given up", slog.Any("task", o.ID), slog.String("host", o.to.String()), slog.Int("tried", o.Tried), slog.String("reason", why))
	s.options.Publish(event.Event{
		Type: event.CallbackFailed, Ref: task.Ref{Namespace: o.record.Namespace, Plugin: o.record.Plugin}, RequestID: o.ID,
		Message: fmt.Sprintf("%s was not told that the task ended: %s", o.to, why),
		Data:    event.Data(map[string]any{"host": o.to.String(), "tried": o.Tried}),
	})
	s.end(o)
}

// leave notes what was told as Run ended, so that it is not told again.
func (s *Sender) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for len(s.answered) > 0 {
		if a := <-s.answered; a.told {
			s.end(a.owed)
		}
	}
	s.note(ctx)
}

// note tells the store. What it does not take is told again.
func (s *Sender) note(ctx context.Context) {
	if len(s.over) > 0 {
		if err := s.options.Store.DropCallbacks(ctx, s.over); err != nil {
			s.failed(ctx, "note what was called back", err)
		} else {
			for _, c := range s.over {
				delete(s.taken, c.ID)
			}
			s.over = nil
		}
	}
	if len(s.again) > 0 {
		if err := s.options.Store.RetryCallbacks(ctx, s.again); err != nil {
			s.failed(ctx, "note what is to be called back again", err)
		} else {
			for _, c := range s.again {
				delete(s.taken, c.ID)
			}
			s.again = nil
		}
	}
	s.forget()
}

func (s *Sender) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.options.Log.Error(what, slog.Any("error", err))
	}
}

// mostReceivers is how many are known before those are forgotten of which there is nothing
// to know.
const mostReceivers = 1024

func (s *Sender) forget() {
	if len(s.receivers) < mostReceivers {
		return
	}
	now := time.Now()
	for at, r := range s.receivers {
		if r.calls+len(r.waiting) == 0 && now.Sub(later(r.shut, r.slot)) > mostShut {
			delete(s.receivers, at)
		}
	}
}
