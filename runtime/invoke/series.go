package invoke

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// longLoan is how long a series keeps its turn and an instance that others may be waiting
// for: about a slice.
const longLoan = 250 * time.Microsecond

// Series runs a plugin on one input after another. Each run is a call as Invoke's are,
// with the same limits and on an instance that was rewound, but calls that are short
// share a loan, some dozens of them and no more than take longLoan: what a call costs
// besides the guest is thereby small.
//
// next says what differs from in, which is ID, Input, Buffer, Session, Trace and Listener, and reports
// false when there is no more. Of each that it gave, done is told what became before next is asked
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
	kept := serieses.Get()
	s := kept.Value
	s.invoker, s.until.Context = i, ctx
	defer func() {
		s.giveBack()
		s.invoker, s.until.Context = nil, nil
		serieses.Put(kept, int(unsafe.Sizeof(*s)))
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

// longWait is no bound on the wait for a turn.
const longWait = 24 * time.Hour

// serieses keep those that have ended.
var serieses = reuse.New("series", 1<<20, func() *series { return new(series) })

// Buffers tells what came of keeping memory from one series for another.
func Buffers() reuse.Stats { return serieses.Stats() }

// series is a Series under way.
type series struct {
	invoker *Invoker
	until   deadline // of the call that runs

	route  *route      // where it was found
	pass   health.Pass // its breaker's leave
	to     *deployment // the version that answers; nil: none is borrowed from
	turn   turn
	begun  bool // there is a turn
	loan   loan
	ran    bool        // the guest, for the call that is made
	clean  bool        // there is a loan, of an instance that may be run
	lent   time.Time   // since when
	now    time.Time   // the clock, as it was last looked at
	burnt  int64       // in the turn
	waited task.Timing // for the turn and the loan, by the call that got them
	report pool.Report // of the loan

	// What the monitor has not been told yet, all of it of the version that answers.
	seen  [64]monitor.Observation
	count int
}

// call runs one.
func (s *series) call(in *task.Invocation) (task.Result, error) {
	s.now, s.waited = time.Now(), task.Timing{}
	var result task.Result
	begun := s.now
	err := s.borrow(in)
	if s.to == nil {
		return result, err
	}
	d := s.to
	result.Ref, result.Digest = d.version.Ref, d.version.Digest
	result.Timing = s.waited
	if err == nil {
		err = s.run(in, &result)
	}
	kind := kindOf(err)
	s.invoker.learn(s.route, d, s.pass, s.now, health.Of(kind, s.ran), &result, err)
	if err != nil {
		d.news.failed(in.ID, err)
	}
	s.ran = false
	s.seen[s.count] = monitor.Observation{
		Kind: kind, In: len(in.Input), Out: len(result.Output), Fuel: result.Fuel, Timing: result.Timing, Total: s.now.Sub(begun),
		ID: in.ID, Ended: s.now,
	}
	s.count++
	if in.Trace.IsRecorded() {
		s.invoker.trace(d, *in, result, err, begun, s.now)
	}
	// One that failed may have lost its turn; one that tries a fenced version is alone.
	if err != nil || s.pass.Trial() || !s.clean || s.count == len(s.seen) || s.now.Sub(s.lent) >= longLoan {
		s.giveBack()
	}
	return result, err
}

// borrow finds the version that answers, waits for a turn and has an instance lent, unless
// there is one. With an error there may be a version, and a turn.
func (s *series) borrow(in *task.Invocation) error {
	for !s.clean {
		err := s.borrowOnce(in)
		switch {
		case err == nil:
			s.clean, s.lent = true, s.now
		case errors.Is(err, pool.ErrClosed) && s.until.Context.Err() == nil: // its successor answers
			s.giveBack()
		default:
			return err
		}
	}
	return nil
}

func (s *series) borrowOnce(in *task.Invocation) error {
	r, err := s.invoker.find(s.until.Context, in, &s.now)
	if err != nil {
		return err
	}
	d, pass, err := r.admit(s.now)
	s.route, s.pass, s.to = r, pass, d
	if err != nil {
		if s.invoker.reroute(r, d) {
			return pool.ErrClosed // where calls go now, answers
		}
		return err
	}
	timeout := time.Duration(d.version.Limits.Timeout)
	s.turn.plugin, s.turn.told = in.Plugin, 0
	begun := s.now
	s.until.restart(begun.Add(longWait))
	if err := d.flow.Begin(&s.until, &s.turn.Turn, sched.Call{}); err != nil {
		s.now = time.Now()
		return d.explain(err, timeout)
	}
	s.begun = true
	s.now = time.Now()
	s.waited.Queue += s.now.Sub(begun)
	if s.loan, err = d.borrow(&s.until, &s.turn, &s.now, &s.waited); err != nil {
		return d.explain(err, timeout)
	}
	return nil
}

// run has the guest run and makes its instance clean.
func (s *series) run(in *task.Invocation, result *task.Result) error {
	d, l := s.to, s.loan
	timeout, err := d.bounds(in)
	if err != nil {
		return err
	}
	s.clean, s.ran = false, true
	running := s.now
	s.until.restart(running.Add(timeout))
	s.now, err = d.run(&s.until, in, l, &s.turn, timeout, running, result)
	s.until.stop()
	s.burnt += result.Fuel
	s.report.Calls++
	s.report.Run += result.Timing.Run - result.Timing.Host
	s.report.Host += result.Timing.Host
	s.report.Fault = faultOf(err)
	if result.Timing.Run >= longRun {
		s.invoker.endLater(d, in, l, s.report)
		return err
	}
	ran := s.now
	pages, clean := d.rewind(in.ID, l)
	s.clean = clean
	s.report.LastPages = int64(pages)
	s.report.Pages += s.report.LastPages
	s.now = time.Now()
	result.Timing.Rewind = s.now.Sub(ran)
	s.report.Rewind += result.Timing.Rewind
	if !s.clean {
		go l.Discard(s.report)
	}
	return err
}

// giveBack ends the turn and the loan, if there are any, of an instance that is clean, and
// tells the monitor.
func (s *series) giveBack() {
	if s.begun {
		s.turn.End(max(0, s.burnt-s.turn.told))
	}
	if s.clean {
		s.loan.Release(s.report)
	}
	if s.count > 0 {
		s.to.row.Observe(s.seen[:s.count]...)
	}
	s.route = nil
	s.to, s.loan, s.clean, s.begun, s.count, s.burnt, s.report = nil, loan{}, false, false, 0, 0, pool.Report{}
}

// restart makes a deadline end at another time. Nobody waits for the one before.
func (d *deadline) restart(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
	d.at, d.timed, d.cancel = at, nil, nil
}
