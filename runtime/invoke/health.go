package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// mostUnwell is how many canary calls in a row fence a version by failing.
const mostUnwell = 3

// probe makes the canary call on an instance that serves nobody, and rewinds it. An
// error says that the instance must not be used any more: it failed, or serves one call
// only (engine.ErrSpent). The version is fenced once mostUnwell in a row have failed.
// Without a canary call in its manifest probe does nothing.
func (d *deployment) probe(ctx context.Context, instance *engine.Instance) error {
	if d.version.Health.Input == nil {
		return nil
	}
	err := d.examine(ctx, instance)
	switch kind := kindOf(err); {
	case err == nil:
		d.unwell.Store(0)
	case kind == task.KindCanceled, kind == task.KindBusy: // it says nothing of the version
	case d.unwell.Add(1) >= mostUnwell:
		d.unwell.Store(0)
		why := fmt.Sprintf("%d canary calls in a row failed; %s", mostUnwell, task.FaultOf(err).Message)
		if d.breaker.Fence(time.Now(), why) {
			d.fenced(why)
		}
	}
	if _, spent := instance.Rewind(); err == nil {
		err = spent
	}
	return err
}

// checkUp is what the pool probes idle instances with, nil where there is no canary call.
// An instance for whose canary call there is no room is left as it is.
func (d *deployment) checkUp() func(context.Context, *engine.Instance) error {
	if d.version.Health.Input == nil {
		return nil
	}
	return func(ctx context.Context, instance *engine.Instance) error {
		err := d.probe(ctx, instance)
		switch {
		case kindOf(err) == task.KindBusy:
			return nil
		case err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrSpent):
			d.news.died(pool.Probe, "", task.FaultOf(err).Message)
		}
		return err
	}
}

// examine makes the canary call and looks at its answer.
func (d *deployment) examine(ctx context.Context, instance *engine.Instance) error {
	h, timeout := &d.version.Health, time.Duration(d.version.Limits.Timeout)
	turn := &birth{ctx: ctx, flow: d.flow}
	if err := turn.Enter(); err != nil {
		if r, ok := errors.AsType[*sched.Refusal](err); ok {
			return refusal(r, d.version.Ref.Plugin)
		}
		return err
	}
	defer turn.end()
	until := &deadline{Context: ctx, at: time.Now().Add(timeout)}
	defer until.stop()
	output, _, err := instance.Run(until, task.Invocation{
		ID: task.NewID(), Namespace: d.version.Ref.Namespace, Plugin: d.version.Ref.Plugin, Input: h.Input,
	}, turn)
	if f := task.FaultOf(err); f != nil {
		f.Message = "the health check failed: " + f.Message
		return f
	}
	if h.Expect != nil && !answers(output, h.Expect) {
		return task.Faultf(task.KindGuest, "the health check failed: the answer was %s and health.expect is %s", excerpt(output), excerpt(h.Expect))
	}
	return nil
}

// excerpt is the beginning of an output, for a message.
func excerpt(b []byte) string {
	const most = 200
	if len(b) <= most {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q... (%v)", b[:most], task.Bytes(len(b)))
}

// answers compares two outputs: as values where both are JSON, and otherwise as bytes,
// but for white space at the end.
func answers(got, want []byte) bool {
	a, errA := value(got)
	b, errB := value(want)
	if errA == nil && errB == nil {
		return reflect.DeepEqual(a, b)
	}
	const space = " \t\r\n\v\f"
	return bytes.Equal(bytes.TrimRight(got, space), bytes.TrimRight(want, space))
}

// value reads one JSON value.
func value(text []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the value")
	}
	return numbers(v), nil
}

// numbers makes numbers comparable: 1.0 and 1e0 are the same. Whole numbers stay text,
// since a float64 has not room for all of them.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(v.String(), ".eE") {
			return v
		}
		if whole := fmt.Sprintf("%.0f", f); f == float64(int64(f)) && whole != "-0" {
			return json.Number(whole)
		}
		return f
	case []any:
		for n := range v {
			v[n] = numbers(v[n])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}

// learn takes what a call that ended at now says of the version that served it.
func (i *Invoker) learn(r *route, d *deployment, pass health.Pass, now time.Time, o health.Outcome, result *task.Result, err error) {
	if r.canary != nil {
		r.canary.tally(d).Add(o, result.Timing.Run, result.Fuel)
	}
	if why := d.breaker.Record(now, pass, o); why != "" {
		// Only operators read what one caller's input led to.
		d.fenced(fmt.Sprintf("%s, the last of them with %s: %.300s", why, kindOf(err), task.FaultOf(err).Message))
	} else if pass.Trial() {
		d.news.tried(d.breaker)
	}
}
