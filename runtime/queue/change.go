package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Cancel ends a task, also while it runs: its guest is stopped, and it is not tried again.
// Its faults are not_found, conflict when it has ended, and unavailable.
func (q *Queue) Cancel(ctx context.Context, namespace string, id task.ID) error {
	if err := q.learn(ctx); err != nil {
		return err
	}
	r, err := q.read(ctx, namespace, id, 0)
	if err != nil {
		return err
	}
	to, err := cancel.from(r.State)
	if err != nil {
		return err
	}
	now := q.now()
	of := nameOf(&r.Task)
	policy := q.policy(of)
	// The store first: what runs meanwhile comes to nothing.
	answers, err := q.options.Store.Cancel(ctx, []task.ID{id}, now, now.Add(policy.keep(&r.Terms, to)))
	if err != nil {
		q.doubtful.Store(true)
		q.canceled(id, false)
		return q.changeFault(ctx, err)
	}
	switch err := answers[0]; {
	case errors.Is(err, store.ErrNotFound):
		return noTask(id)
	case err != nil:
		return task.Faultf(task.KindConflict, "the task has ended meanwhile, and cannot be canceled").CausedBy(err)
	}
	q.storeWell()
	q.counts.canceled.Add(1)
	q.waiting.add(of, -1)
	q.canceled(id, true)
	q.endings.tell(id, nil)
	return nil
}

// canceled has nothing run of a task that was canceled. Where that is not sure, it goes back
// to the store, unless it runs already.
func (q *Queue) canceled(id task.ID, sure bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch a := q.held[id]; {
	case a == nil && q.leasing:
		q.gone[id] = sure
	case a == nil:
	case sure:
		q.voidLocked(a)
	default:
		a.doubtful = true
	}
}

// Retry sends a dead or canceled task again, changed if it is to be, with as many attempts as
// a new one has. Its faults are not_found, conflict when it is neither, invalid and too_large
// for the changes, busy when too many wait, and unavailable.
func (q *Queue) Retry(ctx context.Context, namespace string, id task.ID, e Edit) error {
	if err := q.learn(ctx); err != nil {
		return err
	}
	r, err := q.read(ctx, namespace, id, 0)
	if err != nil {
		return err
	}
	if _, err := sendAgain.from(r.State); err != nil {
		return err
	}
	if e.Terms != nil {
		if f := checkTerms(e.Terms); f != nil {
			return f
		}
		if err := q.checkCallback(e.Terms); err != nil {
			return err
		}
		r.Terms = *e.Terms
	}
	if e.Input != nil {
		limits, err := q.options.Runner.Limits(ctx, r.Namespace, r.Plugin)
		if f := task.FaultOf(err); f != nil && f.Kind != task.KindUnavailable {
			return f
		}
		if f := checkInput(int64(len(*e.Input)), int64(limits.Input)); f != nil {
			return f
		}
	}
	answers, err := q.revive(ctx, []store.Record{r}, e.Input)
	if err != nil {
		return err
	}
	return answers[0]
}

// revive sends tasks again. A fault, or nil, is returned for each.
func (q *Queue) revive(ctx context.Context, records []store.Record, input *[]byte) ([]error, error) {
	answers := make([]error, len(records))
	revivals := make([]store.Revival, 0, len(records))
	places := make([]int, 0, len(records))
	for i := range records {
		r := &records[i]
		if what := q.waiting.reserve(nameOf(&r.Task), q.options.MostWaiting, q.options.MostOfPlugin); what != "" {
			f := task.Faultf(task.KindBusy, "too many %s wait; send it again later", what)
			f.RetryAfter = q.room()
			answers[i] = f
			continue
		}
		terms := r.Terms
		if terms.Spent = 0; len(r.Attempts) > 0 {
			terms.Spent = r.Attempts[len(r.Attempts)-1].Number
		}
		revivals, places = append(revivals, store.Revival{ID: r.ID, Input: input, Terms: &terms}), append(places, i)
	}
	if len(revivals) == 0 {
		return answers, nil
	}
	results, err := q.options.Store.Revive(ctx, revivals)
	if err != nil {
		for _, i := range places {
			q.waiting.add(nameOf(&records[i].Task), -1)
		}
		q.doubtful.Store(true)
		return nil, q.changeFault(ctx, err)
	}
	q.storeWell()
	for n, err := range results {
		i := places[n]
		if err == nil {
			q.counts.revived.Add(1)
			continue
		}
		q.waiting.add(nameOf(&records[i].Task), -1)
		if answers[i] = noTask(records[i].ID); !errors.Is(err, store.ErrNotFound) {
			answers[i] = task.Faultf(task.KindConflict, "the task is neither dead nor canceled any more").CausedBy(err)
		}
	}
	return answers, nil
}

// mostRevived is how many tasks are sent again at once.
const mostRevived = 500

// RetryAll sends all dead tasks that a query chooses again, or all canceled ones if its State
// is that, the oldest first, and returns how many. Its Limit is not looked at. It goes on
// until it comes to one that cannot be sent again since too many wait: that is a busy fault,
// and the number is of those before.
func (q *Queue) RetryAll(ctx context.Context, of store.Query) (int, error) {
	if of.State == "" {
		of.State = task.Dead
	}
	if _, err := sendAgain.from(of.State); err != nil {
		return 0, err
	}
	if err := q.learn(ctx); err != nil {
		return 0, err
	}
	// Pages go from new to old. Where each begins is found first, and then they are gone
	// through backwards.
	of.Limit = mostRevived
	begins := []task.ID{of.Before}
	for {
		of.Before = begins[len(begins)-1]
		page, err := q.options.Store.Page(ctx, of)
		if err != nil {
			return 0, q.readFault(ctx, err)
		}
		if len(page) < of.Limit {
			break
		}
		begins = append(begins, page[len(page)-1].ID)
	}
	total := 0
	for i, begin := range slices.Backward(begins) {
		of.Before = begin
		page, err := q.options.Store.Page(ctx, of)
		if err != nil {
			return total, q.readFault(ctx, err)
		}
		if i+1 < len(begins) { // what has come to it since is left alone
			page = slices.DeleteFunc(page, func(r store.Record) bool { return r.ID < begins[i+1] })
		}
		slices.Reverse(page)
		n, err := q.reviveAll(ctx, page)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// reviveAll sends tasks again and returns how many it were. Those that have been meanwhile, or
// were forgotten, are passed over.
func (q *Queue) reviveAll(ctx context.Context, page []store.Record) (n int, busy error) {
	if len(page) == 0 {
		return 0, nil
	}
	answers, err := q.revive(ctx, page, nil)
	if err != nil {
		return 0, err
	}
	for _, err := range answers {
		switch {
		case err == nil:
			n++
		case task.FaultOf(err).Kind == task.KindBusy:
			busy = err
		}
	}
	return n, busy
}
