package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/task"
)

// longLoan is how long a series keeps an instance that others may be waiting for.
const longLoan = time.Millisecond

// Series runs a plugin on one input after another. Each run is a call as Invoke's are,
// with the same limits and on an instance that was rewound, but calls that are short
// share a loan, some dozens of them and no more than take longLoan: what a call costs
// besides the guest is thereby small.
//
// next says what differs from in, which is ID, Input and Buffer, and reports false when
// there is no more. Of each that it gave, done is told what became before next is asked
// again: the result, which is done's only until it returns (the Output apart), and the
// error, which is or leads to a *task.Fault. A fault does not end the series.
//
// A call's timeout begins when it has an instance. The wait for one is as long as it
// must be: who has many calls would otherwise be the one that makes them late. Between
// two loans the version may change, as it does between two calls.
//
// Series returns nil when next has no more. Once ctx has ended it returns the cause, and
// nothing is told of what has not run.
func (i *Invoker) Series(ctx context.Context, in task.Invocation, next func(in *task.Invocation) bool, done func(result *task.Result, err error)) error {
	s := kept.Get().(*series)
	s.invoker, s.until.Context = i, ctx
	defer func() {
		s.giveBack()
		s.invoker, s.until.Context = nil, nil
		kept.Put(s)
	}()
	for next(&in) {
		result, err := s.call(&in)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done(&result, err)
	}
	return nil
}

// kept are series that have ended.
var kept = sync.Pool{New: func() any { return new(series) }}

// series is a Series under way.
type series struct {
	invoker *Invoker
	until   deadline // of the call that runs

	to   *deployment                  // the version that answers; nil: none is borrowed from
	loan *pool.Loan[*engine.Instance] // nil: none
	lent time.Time                    // since when
	now  time.Time                    // the clock, as it was last looked at

	// What the monitor has not been told yet, all of it of the version that answers.
	seen  [64]monitor.Observation
	count int
}

// call runs one.
func (s *series) call(in *task.Invocation) (task.Result, error) {
	s.now = time.Now()
	var result task.Result
	begun := s.now
	err := s.borrow(in)
	if s.to == nil {
		return result, err
	}
	d := s.to
	result.Ref, result.Digest = d.version.Ref, d.version.Digest
	result.Timing.Pool = s.now.Sub(begun)
	if err == nil {
		err = s.run(in, &result)
	}
	s.seen[s.count] = monitor.Observation{
		Kind: kindOf(err), In: len(in.Input), Out: len(result.Output), Fuel: result.Fuel, Timing: result.Timing, Total: s.now.Sub(begun),
	}
	s.count++
	if s.loan == nil || s.count == len(s.seen) || s.now.Sub(s.lent) >= longLoan {
		s.giveBack()
	}
	return result, err
}

// borrow finds the version that answers and has it lend an instance, unless there is
// one.
func (s *series) borrow(in *task.Invocation) error {
	ctx := s.until.Context
	for s.loan == nil {
		d, err := s.invoker.resolve(ctx, name{in.Namespace, in.Plugin})
		if err != nil {
			return err
		}
		loan, err := d.pool.Acquire(ctx)
		if errors.Is(err, pool.ErrClosed) && ctx.Err() == nil {
			continue // its successor answers
		}
		s.to, s.loan, s.now = d, loan, time.Now()
		s.lent = s.now
		if err != nil {
			return d.explain(err, time.Duration(d.version.Limits.Timeout))
		}
	}
	return nil
}

// run has the guest run and makes its instance clean.
func (s *series) run(in *task.Invocation, result *task.Result) error {
	d, loan, limits := s.to, s.loan, &s.to.version.Limits
	if len(in.Input) > int(limits.Input) {
		return task.Faultf(task.KindTooLarge, "the input is %v and limits.input is %v; raise the limit in the manifest, or send less",
			task.Bytes(len(in.Input)), limits.Input)
	}
	timeout := time.Duration(limits.Timeout)
	if in.Timeout > 0 {
		timeout = min(timeout, in.Timeout)
	}
	s.loan = nil // until it is clean
	running := s.now
	s.until.restart(running.Add(timeout))
	var err error
	result.Output, result.Fuel, err = loan.Instance.Run(&s.until, *in)
	s.until.stop()
	s.now = time.Now()
	result.Timing.Run = s.now.Sub(running)
	if err != nil {
		if f := task.FaultOf(err); f.Kind == task.KindDeadline {
			f.Message = fmt.Sprintf("the guest was still running when its deadline of %v passed", timeout)
			err = f
		}
	}
	if result.Timing.Run >= longRun {
		i, id := s.invoker, in.ID
		go func() {
			i.late.Lock()
			defer i.late.Unlock()
			d.end(task.Invocation{ID: id}, loan)
		}()
		return err
	}
	ran := s.now
	_, spent := loan.Instance.Rewind()
	s.now = time.Now()
	result.Timing.Rewind = s.now.Sub(ran)
	if spent == nil {
		s.loan = loan
		return err
	}
	if !errors.Is(spent, engine.ErrSpent) {
		d.log.Error("rewind an instance", slog.Any("version", d.version.Ref), slog.Any("request_id", in.ID), slog.Any("error", spent))
	}
	go loan.Discard()
	return err
}

// giveBack ends the loan, if there is one, of an instance that is clean, and tells the
// monitor.
func (s *series) giveBack() {
	if s.loan != nil {
		s.loan.Return()
	}
	if s.count > 0 {
		s.to.row.ObserveAll(s.seen[:s.count])
	}
	s.to, s.loan, s.count = nil, nil, 0
}

// restart makes a deadline that was stopped end at another time.
func (d *deadline) restart(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.timed, d.cancel = at, nil, nil
}
