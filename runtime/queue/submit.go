package queue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Submit takes tasks. What became of each is told in order; the error is for all of them,
// of which none was taken for certain: unavailable when the store does not take them.
//
// Faults of single ones are invalid, not_found, too_large, conflict (the key belongs to
// another task) and busy (too many wait).
func (q *Queue) Submit(ctx context.Context, of []Submission) (_ []Submitted, err error) {
	if err := q.learn(ctx); err != nil {
		return nil, err
	}
	a := admission{queue: q, ctx: ctx, now: q.now()}
	answers := make([]Submitted, len(of))
	tasks := make([]store.Task, 0, len(of))
	places := make([]int, 0, len(of)) // of tasks among the answers
	defer func() {
		if err != nil {
			for i := range answers {
				answers[i].unawait()
			}
		}
	}()
	for i := range of {
		t, err := a.admit(&of[i])
		if err != nil {
			answers[i].Err = err
			continue
		}
		tasks, places = append(tasks, t), append(places, i)
		if of[i].Await { // before it is where it can be run
			answers[i].Ending = q.ending(t.Namespace, t.ID)
		}
	}
	if len(tasks) == 0 {
		return answers, nil
	}
	begun := time.Now()
	receipts, err := q.options.Store.Submit(ctx, tasks)
	q.latency.submit.note(begun)
	if err != nil {
		for i := range tasks {
			q.waiting.add(nameOf(&tasks[i]), -1)
		}
		q.doubtful.Store(true)
		return nil, q.changeFault(ctx, err)
	}
	q.storeWell()
	var seen []int
	for i, r := range receipts {
		t, answer := &tasks[i], &answers[places[i]]
		switch {
		case r.Err != nil:
			q.waiting.add(nameOf(t), -1)
			answer.Err = receiptFault(r.Err)
			answer.unawait()
		case r.Seen:
			q.waiting.add(nameOf(t), -1)
			answer.ID, answer.Seen = r.ID, true
			if answer.Ending != nil {
				answer.unawait()
				answer.Ending = q.Ending(t.Namespace, r.ID)
			}
			seen = append(seen, places[i])
		default:
			q.counts.submitted.Add(1)
			answer.ID, answer.State = r.ID, a.state(t)
			if !t.Due.IsZero() {
				q.comesDue(t.Due)
			}
		}
	}
	return answers, q.stateOfSeen(ctx, answers, seen)
}

// unawait leaves the end of a task alone that was not taken, or not as a new one.
func (s *Submitted) unawait() {
	if s.Ending != nil {
		s.Ending.Stop()
		s.Ending = nil
	}
}

func nameOf(t *store.Task) name { return name{t.Namespace, t.Plugin} }

// receiptFault gives words to what a store says of one submission.
func receiptFault(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return task.Faultf(task.KindConflict, "the idempotency key belongs to a task that was submitted with something else; use another key, or send just what was sent with it").CausedBy(err)
	}
	return task.FaultOf(err)
}

// stateOfSeen looks up where tasks stand that had been submitted before.
func (q *Queue) stateOfSeen(ctx context.Context, answers []Submitted, seen []int) error {
	if len(seen) == 0 {
		return nil
	}
	ids := make([]task.ID, len(seen))
	for i, at := range seen {
		ids[i] = answers[at].ID
	}
	records, err := q.options.Store.Read(ctx, ids, 0)
	if err != nil {
		return q.changeFault(ctx, err)
	}
	for i, at := range seen {
		// One that was forgotten had succeeded, or nobody asked for it in time.
		if answers[at].State = records[i].State; records[i].ID == "" {
			answers[at].State = task.Succeeded
		}
	}
	return nil
}

// admission is of the submissions of one call, which often are of the same plugin.
type admission struct {
	queue *Queue
	ctx   context.Context
	now   time.Time

	of     name // what the rest is of
	policy Policy
	input  int64 // bytes at most; 0: not known
	err    error
}

// state is where a new task stands.
func (a *admission) state(t *store.Task) task.State {
	by := submit
	if !t.Due.IsZero() {
		by = submitLater
	}
	to, err := by.from("")
	if err != nil {
		panic(err)
	}
	return to
}

// Check says what Submit would refuse for good, as things are: invalid, not_found,
// too_large, or what Options.Callback finds. Nothing is taken.
func (q *Queue) Check(ctx context.Context, s Submission) error {
	a := admission{queue: q, ctx: ctx, now: q.now()}
	_, _, err := a.check(&s)
	return err
}

// check says what is wrong with a submission, and finds the version that it is pinned to;
// 0: to none.
func (a *admission) check(s *Submission) (number int, digest task.Digest, err error) {
	if err := a.turnTo(name{s.Namespace, s.Plugin}); err != nil {
		return 0, "", err
	}
	if f := checkSubmission(s, a.now); f != nil {
		return 0, "", f
	}
	if err := a.queue.checkCallback(&s.Terms); err != nil {
		return 0, "", err
	}
	if f := checkInput(int64(len(s.Input)), a.input); f != nil {
		return 0, "", f
	}
	if s.Version != "" && s.Version != "live" {
		if number, digest, err = a.queue.options.Resolve(s.Namespace, s.Plugin, s.Version); err != nil {
			return 0, "", task.FaultOf(err)
		}
	}
	return number, digest, nil
}

// checkCallback says why a URL cannot be called back.
func (q *Queue) checkCallback(t *task.Terms) error {
	if t.Callback == "" || q.options.Callback == nil {
		return nil
	}
	if err := q.options.Callback(t.Callback); err != nil {
		return task.FaultOf(err)
	}
	return nil
}

// admit makes a task of a submission, and counts it as waiting.
func (a *admission) admit(s *Submission) (store.Task, error) {
	number, digest, err := a.check(s)
	if err != nil {
		return store.Task{}, err
	}
	t := store.Task{
		Version: number, Digest: digest,
		Namespace: s.Namespace, Plugin: s.Plugin, Priority: *a.policy.Priority, Created: a.now, Terms: s.Terms, Input: s.Input, Key: s.Key,
	}
	if s.Priority != nil {
		t.Priority = *s.Priority
	}
	t.Terms.Spent = 0
	switch {
	case s.Delay > 0:
		t.Due = a.now.Add(s.Delay)
	case s.At.After(a.now):
		t.Due = exact(s.At)
	}
	if s.Key != "" {
		t.Fingerprint = fingerprint(s, t.Priority)
		t.KeyUntil = a.now.Add(a.policy.KeyTTL)
	}
	o := &a.queue.options
	if what := a.queue.waiting.reserve(a.of, o.MostWaiting, o.MostOfPlugin); what != "" {
		f := task.Faultf(task.KindBusy, "too many %s wait; submit it again later", what)
		f.RetryAfter = a.queue.room()
		return store.Task{}, f
	}
	t.ID = task.NewID()
	return t, nil
}

// turnTo finds out what holds for a plugin.
func (a *admission) turnTo(of name) error {
	if a.of == of {
		return a.err
	}
	o := &a.queue.options
	a.of, a.input, a.err = of, 0, nil
	p, err := o.Policy(of.namespace, of.plugin)
	if err != nil {
		a.err = task.FaultOf(err)
		return a.err
	}
	a.policy = p.filled()
	limits, err := o.Runner.Limits(a.ctx, of.namespace, of.plugin)
	switch {
	case err == nil:
		a.input = int64(limits.Input)
	case a.ctx.Err() != nil:
		a.err = context.Cause(a.ctx)
	case task.FaultOf(err).Kind != task.KindUnavailable:
		// A plugin that is being loaded, or cannot be just now, takes tasks. An input that is
		// too large is then refused by the attempt.
		a.err = task.FaultOf(err)
	}
	return a.err
}

// fingerprint is of all that makes two submissions the same one. What is of the request by
// which it came, such as its trace, is not in it: the same submission comes with another one
// when it is tried again.
func fingerprint(s *Submission, priority int) string {
	terms := s.Terms
	terms.Trace, terms.Spent = "", 0
	asked, err := json.Marshal(struct {
		Namespace, Plugin, Version string
		Priority                   int
		Delay                      time.Duration
		At                         time.Time
		Terms                      task.Terms
	}{s.Namespace, s.Plugin, s.Version, priority, s.Delay, s.At.UTC().Truncate(time.Microsecond), terms})
	if err != nil {
		panic("queue: terms do not encode: " + err.Error())
	}
	sum := sha256.New()
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(asked)))
	sum.Write(length[:])
	sum.Write(asked)
	sum.Write(s.Input)
	return string(sum.Sum(nil))
}

// room is when it is worth submitting again: when a hundredth of what may wait has ended,
// going by how fast tasks ended lately.
func (q *Queue) room() time.Duration {
	const least, most = time.Second, 5 * time.Minute
	rate := q.rates.finished.perSecond()
	if rate == 0 {
		return 10 * time.Second
	}
	wait := float64(min(q.options.MostWaiting, q.options.MostOfPlugin)) / 100 / rate
	return max(least, min(most, time.Duration(wait*float64(time.Second)))).Round(time.Second)
}

// exact is a time as the store keeps it.
func exact(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// now is the wall clock. It has no monotonic reading: what it is compared with comes from
// the store.
func (q *Queue) now() time.Time { return exact(q.options.Now()) }

// validVersion tells whether a version can be asked for so.
func validVersion(v string) bool {
	if v == "" || v == "live" || v == "pinned" {
		return true
	}
	n, err := strconv.Atoi(v)
	return err == nil && n > 0 && strconv.Itoa(n) == v
}
