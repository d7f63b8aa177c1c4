package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// Whatever a call does, the next begins as the first did.
func TestAfterEachCallAnInstanceIsAsItsImage(t *testing.T) {
	e := newEngine(t, engine.Options{})
	for abi, tt := range map[task.ABI]struct{ inputs, functions []string }{
		task.ABICommand: {inputs: []string{"upper abc", "", "exit 3", "panic now", "grow", "flood", "loop", "chatter", "sleep 1ms", "upper abc"}},
		task.ABIPrism:   {inputs: []string{"upper abc"}, functions: []string{"", "refuse", "three", "", "config", "stray", "strayread", "absent", ""}},
	} {
		p := compile(t, e, abi, guest(t, abi))
		var instances []*engine.Instance
		for range 3 {
			i, err := p.Instantiate(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close(context.Background())
			instances = append(instances, i)
		}
		var calls []task.Invocation
		for _, input := range tt.inputs {
			calls = append(calls, task.Invocation{Input: []byte(input)})
		}
		for _, f := range tt.functions {
			calls = append(calls, task.Invocation{Input: []byte("upper abc"), Function: f})
		}
		type ending struct {
			output, fault string
			fuel          int64
		}
		first := map[int]ending{}
		for round := range 3 {
			for n, i := range instances {
				for at, in := range calls {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					loops := string(in.Input) == "loop"
					if loops {
						ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
					}
					out, fuel, err := i.Run(ctx, in, nil)
					cancel()
					if verb := string(in.Input); verb == "flood" || verb == "grow" || verb == "sleep 1ms" {
						fuel = 0 // it depends on the time, by which Go paces its collector
					}
					got := ending{string(out), "", fuel}
					if err != nil {
						got.fault = err.Error()
					}
					if want, ran := first[at]; !ran {
						first[at] = got
					} else if got != want && !loops {
						t.Errorf("%s, %s %s: instance %d, round %d: %.200v, and at first %.200v", abi, in.Input, in.Function, n, round, got, want)
					}
					if _, err := i.Rewind(); err != nil {
						t.Fatalf("%s: rewind after %s %s: %v", abi, in.Input, in.Function, err)
					}
					if what := i.Differs(); what != "" {
						t.Fatalf("%s: after %s %s: %s", abi, in.Input, in.Function, what)
					}
				}
			}
		}
		if got := instances[2].Checkpointed(); got != (abi == task.ABICommand) {
			t.Errorf("%s: a checkpoint: %v", abi, got)
		}
	}
	if n := e.Unlike(); n != 0 {
		t.Errorf("%d instances came to another state than the first", n)
	}
}

func TestWithoutAnImageAnInstanceServesOneCall(t *testing.T) {
	e := newEngine(t, engine.Options{})
	v := version(task.ABICommand, guest(t, task.ABICommand))
	v.ImageOff = true
	p, err := e.Compile(t.Context(), v, guest(t, task.ABICommand))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	if out, _, err := i.Run(t.Context(), task.Invocation{Input: []byte("upper abc")}, nil); err != nil || string(out) != "ABC" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := i.Rewind(); !errors.Is(err, engine.ErrSpent) {
		t.Errorf("rewind: %v", err)
	}
}
