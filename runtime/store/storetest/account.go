package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// account is what callers of a store were told while many of them used it, and what each of
// them may say by that. Moments are counted by moment: what was told before a call began
// must hold for what the call answers.
type account struct {
	mu     sync.Mutex
	wrong  []string
	moment int64 // that passed
	tasks  map[task.ID]*entry
	order  []*entry // as they were acknowledged
	names  map[string]int
}

// entry is what was told of one task.
type entry struct {
	id      task.ID
	name    string // that its input says
	keyed   bool
	ended   int           // outcomes that end it, and were answered with nil
	revived int           // tries to
	cancels int           // tries to
	told    int           // of its callback, by whom it was told
	runs    map[int]run   // attempts that were handed out
	latest  int           // of them
	success *announcement // nil: no success was told
}

// run is one time that a task was handed out.
type run struct {
	until   time.Time
	cancels int  // of its entry at that time
	over    bool // its holder tried to end it
	back    bool // or to give it back
}

// announcement is a success that somebody was told of.
type announcement struct {
	moment int64
	output string
}

func newAccount() *account {
	return &account{tasks: map[task.ID]*entry{}, names: map[string]int{}}
}

func (a *account) errorfLocked(format string, args ...any) {
	if len(a.wrong) < 20 {
		a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
	}
}

// begin is the moment at which a call begins.
func (a *account) begin() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.moment
}

// tried notes that a task was submitted under a name.
func (a *account) tried(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[name]++
}

// acknowledged notes a receipt, and returns whether it is the first of its task.
func (a *account) acknowledged(r store.Receipt, name string, keyed bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Err != nil {
		a.errorfLocked("%s was refused: %v", name, r.Err)
		return false
	}
	e := a.entryLocked(r.ID)
	first := e.name == ""
	if !first && (e.name != name || !keyed) {
		a.errorfLocked("%s was acknowledged as %s and as %s", r.ID, e.name, name)
	}
	e.name, e.keyed = name, keyed
	if first {
		a.order = append(a.order, e)
	}
	return first
}

// entryLocked is that of a task, which may run before its receipt is there.
func (a *account) entryLocked(id task.ID) *entry {
	e := a.tasks[id]
	if e == nil {
		e = &entry{id: id, runs: map[int]run{}}
		a.tasks[id] = e
	}
	return e
}

// leased notes a lease that a call begun at a moment answered. What ran out before the time
// that takenBack tells may have been taken back: it is asked for here, so that no other lease
// was noted since.
func (a *account) leased(begun int64, l store.Lease, until time.Time, takenBack func() time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	expired := takenBack()
	e := a.entryLocked(l.ID)
	if s := e.success; s != nil && s.moment <= begun {
		a.errorfLocked("%s was handed out after it was told to have succeeded", l.ID)
	}
	if l.Attempt < e.latest {
		// A lease can be lost before its answer is heard: then others are heard of first.
		if until.After(expired) && e.cancels == 0 {
			a.errorfLocked("%s was handed out as attempt %d after attempt %d", l.ID, l.Attempt, e.latest)
		}
		if _, again := e.runs[l.Attempt]; !again {
			e.runs[l.Attempt] = run{until: until, cancels: e.cancels}
		}
		return
	}
	for n, r := range e.runs {
		if !r.over && !r.back && r.until.After(expired) && r.cancels == e.cancels {
			a.errorfLocked("%s was handed out as attempt %d while attempt %d was held until %v, and it is %v", l.ID, l.Attempt, n, r.until, expired)
		}
	}
	if before, again := e.runs[l.Attempt]; again && !before.back {
		a.errorfLocked("%s was handed out twice as attempt %d", l.ID, l.Attempt)
	}
	e.latest = max(e.latest, l.Attempt)
	e.runs[l.Attempt] = run{until: until, cancels: e.cancels}
}

// extended notes that a lease may last longer from now on.
func (a *account) extended(h store.Held, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.tasks[h.ID]
	if r, held := e.runs[h.Attempt]; held {
		r.until = until
		e.runs[h.Attempt] = r
	}
}

// ending notes that a holder is about to end its lease.
func (a *account) ending(o store.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.tasks[o.ID]
	r := e.runs[o.Attempt]
	r.over, r.back = true, o.State == task.Queued
	e.runs[o.Attempt] = r
}

// finished notes the answer to an outcome, and what the attempts were before the call.
func (a *account) finished(o store.Outcome, answer error, latest int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer != nil {
		return
	}
	if o.Attempt < latest {
		a.errorfLocked("%s: an outcome of attempt %d was stored after attempt %d was handed out", o.ID, o.Attempt, latest)
	}
	e := a.tasks[o.ID]
	if !o.State.Ended() {
		return
	}
	if e.ended++; e.ended > 1+e.revived {
		a.errorfLocked("%s was ended %d times, and revived %d times", o.ID, e.ended, e.revived)
	}
	if o.State == task.Succeeded {
		a.succeededLocked(e, string(o.Output))
	}
}

func (a *account) succeededLocked(e *entry, output string) {
	if e.success == nil {
		a.moment++
		e.success = &announcement{a.moment, output}
	}
	if e.success.output != output {
		a.errorfLocked("%s was told to have come to %q and to %q", e.id, e.success.output, output)
	}
}

// latest is the attempt that a task was handed out as last.
func (a *account) latest(id task.ID) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tasks[id].latest
}

// read notes a record of an acknowledged task, of a call that begun at a moment.
func (a *account) read(begun int64, id task.ID, r store.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.tasks[id]
	switch {
	case r.ID != id:
		a.errorfLocked("%s was acknowledged, and is not there", id)
	case string(r.Input) != e.name:
		a.errorfLocked("%s was submitted with %q and has %q", id, e.name, r.Input)
	case r.State == task.Succeeded:
		a.succeededLocked(e, string(r.Output))
	case e.success != nil && e.success.moment <= begun:
		a.errorfLocked("%s was told to have succeeded, and then it was %s", id, r.State)
	}
	for i, at := range r.Attempts {
		if i > 0 && at.Number <= r.Attempts[i-1].Number {
			a.errorfLocked("%s has attempt %d after attempt %d", id, at.Number, r.Attempts[i-1].Number)
		}
	}
}

// pick is an acknowledged task by a number from 0 to 1; there may be none.
func (a *account) pick(random float64) (task.ID, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) == 0 {
		return "", false
	}
	return a.order[int(random*float64(len(a.order)))].id, true
}

// meddled notes that somebody is about to cancel or revive a task.
func (a *account) meddled(id task.ID, revive bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if revive {
		a.tasks[id].revived++
	} else {
		a.tasks[id].cancels++
	}
}

// called notes that a task's URL was told.
func (a *account) called(id task.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entryLocked(id).told++
}

// acknowledgedIDs are those of all tasks that were.
func (a *account) acknowledgedIDs() []task.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return each(a.order, func(e *entry) task.ID { return e.id })
}

// close compares what is in the store in the end with what was told.
func (a *account) close(records []store.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := map[string]int{}
	for _, r := range records {
		there[string(r.Input)]++
		e := a.tasks[r.ID]
		if e == nil || e.name == "" {
			continue // whose submitter was not told, and tried again or gave up
		}
		a.closeLocked(e, &r)
	}
	for name, n := range there {
		if n > a.names[name] {
			a.errorfLocked("%s is there %d times, and was submitted %d times", name, n, a.names[name])
		}
	}
	for _, e := range a.order {
		switch n := there[e.name]; {
		case n == 0:
			a.errorfLocked("%s was acknowledged, and is not there", e.id)
		case n > 1 && e.keyed:
			a.errorfLocked("%s is there %d times for one key", e.name, n)
		}
	}
}

func (a *account) closeLocked(e *entry, r *store.Record) {
	if !r.State.Ended() {
		a.errorfLocked("%s is %s in the end", r.ID, r.State)
		return
	}
	if e.told == 0 && r.Terms.Callback != "" {
		a.errorfLocked("%s ended, and its URL was not told", r.ID)
	}
	known := map[int]store.Attempt{}
	for _, at := range r.Attempts {
		known[at.Number] = at
	}
	if len(r.Attempts) < store.PastKept {
		for n, run := range e.runs {
			if _, noted := known[n]; !noted && !run.back {
				a.errorfLocked("%s ran as attempt %d, of which nothing is known", r.ID, n)
			}
		}
	}
	if r.State != task.Succeeded {
		return
	}
	last := r.Attempts[len(r.Attempts)-1]
	if want := fmt.Sprintf("%s by attempt %d", e.name, last.Number); string(r.Output) != want {
		a.errorfLocked("%s came to %q, want %q", r.ID, r.Output, want)
	}
	for _, at := range r.Attempts[:len(r.Attempts)-1] {
		if at.Kind == "" && !at.CutOff {
			a.errorfLocked("%s succeeded with attempt %d, and ran again", r.ID, at.Number)
		}
	}
}
