package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

var intoEnds = &bulk{"ends (seq, plugin, state, ended_us, expires_us, attempt, begun_us, version, digest, fuel, queue_ns, run_ns, output)", 13}

const insertCallback = `INSERT INTO callbacks (seq, id, due_us, tried, message) VALUES (?, ?, ?, 0, '')`

// outcome is an Outcome on its way into the database.
type outcome struct {
	*store.Outcome
	seq    int64
	end    state // nothing: it is given back
	output content
}

// Finish implements store.Tasks.
func (db *DB) Finish(ctx context.Context, outcomes []store.Outcome) ([]error, error) {
	if len(outcomes) == 0 {
		return nil, ended(ctx)
	}
	files := db.bodies.writing()
	all := make([]outcome, len(outcomes))
	c := change{rank: finishes, rows: 2 * len(outcomes)}
	for i := range outcomes {
		o := &all[i]
		o.Outcome = &outcomes[i]
		o.seq, _ = seqOf(o.ID)
		switch o.State {
		case task.Queued:
			o.end = nothing
		case task.Failed:
			o.end = failed
		case task.Dead:
			o.end = dead
		case task.Canceled:
			o.end = canceled
		case task.Succeeded:
			o.end = succeeded
			var err error
			if o.output, err = files.put(o.Output); err != nil {
				files.drop()
				return nil, fmt.Errorf("finish: %w", db.failed(err))
			}
			c.bytes += len(o.Output)
		default:
			panic("sqlite: no attempt comes to the state " + string(o.State))
		}
	}
	answers := make([]error, len(outcomes))
	c.apply = func(x *tx) error {
		clear(answers)
		files.kept = files.kept[:0]
		for i := range all {
			o := &all[i]
			h := x.holder(o.seq)
			if h == nil || h.attempt != int64(o.Attempt) {
				answers[i] = store.ErrLost
				continue
			}
			if err := x.finish(h, o); err != nil {
				return err
			}
			files.keep(o.output)
		}
		return nil
	}
	err := files.sync()
	if err == nil {
		err = db.writer.do(ctx, &c)
	}
	err = db.failed(err)
	files.end(err)
	if err != nil {
		return nil, fmt.Errorf("finish: %w", err)
	}
	return answers, nil
}

func (x *tx) finish(h *held, o *outcome) error {
	if o.end == nothing {
		x.giveBack(h)
		return nil
	}
	o.Last.Number = o.Attempt
	if o.end == failed {
		return x.fail(h, o)
	}
	x.leave(h)
	if err := x.unwait(h.seq, h.ord); err != nil {
		return err
	}
	if err := x.file(o.seq, outputPart, o.output); err != nil {
		return err
	}
	x.move(h.lane.plugin, o.seq, running, o.end)
	a := &o.Last
	if o.end == succeeded && a.Kind == "" && a.Message == "" && !a.CutOff && len(a.Stack) == 0 && len(a.Log) == 0 {
		digest, err := x.digest(a.Digest)
		if err != nil {
			return err
		}
		if err := x.insert(intoEnds, o.seq, h.lane.plugin.number, int64(o.end), a.Ended.UnixMicro(), o.Expires.UnixMicro(),
			int64(a.Number), a.Begun.UnixMicro(), int64(a.Version), digest, a.Fuel, int64(a.Queue), int64(a.Run), o.output.inline()); err != nil {
			return err
		}
	} else {
		if err := x.note(o.seq, *a); err != nil {
			return err
		}
		output := any(nil)
		if o.end == succeeded {
			output = o.output.inline()
		}
		if err := x.ended(o.seq, h.lane.plugin.number, o.end, a.Ended, o.Expires, output); err != nil {
			return err
		}
	}
	return x.owe(o.seq, o.ID, h.callback, a.Ended)
}

// fail has a task wait to be tried again.
func (x *tx) fail(h *held, o *outcome) error {
	x.leave(h)
	x.move(h.lane.plugin, o.seq, running, failed)
	if err := x.note(o.seq, o.Last); err != nil {
		return err
	}
	_, err := x.exec(insertWait, o.seq, h.lane.plugin.number, int64(h.lane.Priority), int64(o.Attempt)+1, number(h.callback), int64(1), o.Due.UnixMicro(), nil)
	return err
}

// ended notes an end of which the last attempt, if there was one, is in tries.
func (x *tx) ended(seq, plugin int64, end state, at, expires time.Time, output any) error {
	return x.insert(intoEnds, seq, plugin, int64(end), at.UnixMicro(), expires.UnixMicro(), nil, nil, nil, nil, nil, nil, nil, output)
}

// unwait deletes the row of waits that a task has whose place in its lane is not its seq.
func (x *tx) unwait(seq, ord int64) error {
	if ord == seq {
		return nil
	}
	_, err := x.exec(deleteWait, seq)
	return err
}

// owe notes that a URL is to be told of an end.
func (x *tx) owe(seq int64, id task.ID, callback bool, at time.Time) error {
	if !callback {
		return nil
	}
	_, err := x.exec(insertCallback, seq, string(id), at.UnixMicro())
	return err
}
