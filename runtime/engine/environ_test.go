package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestACGIProgramGoesOnFromItsFirstLookAtItsEnvironment(t *testing.T) {
	module := guest(t, task.ABICommand) // in Go, whose runtime looks before main does
	e := newEngine(t, engine.Options{})
	v := version(task.ABICGI, module)
	v.Args = []string{"first", "second"}
	p, err := e.Compile(t.Context(), v, module)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	i := instantiate(t, p)
	if begins, why := p.Begins(); begins != engine.AtCheckpoint || why != "" {
		t.Errorf("calls begin with %q: %s", begins, why)
	}
	for _, environ := range [][]string{{"A=first"}, {"B=only"}, {}, {"A=" + strings.Repeat("long", 1000)}, {"A=first"}} {
		for name, want := range map[string]string{"A": "", "B": "", "REGION": "eu"} {
			for _, set := range environ {
				if value, ok := strings.CutPrefix(set, name+"="); ok {
					want = value
				}
			}
			out, _, err := i.Run(t.Context(), task.Invocation{ID: task.NewID(), Input: []byte("env " + name), Environ: environ}, nil)
			if err != nil || string(out) != want+" guest,first,second" {
				t.Errorf("%s of %.40q is %.40q, %v; want %.40q", name, environ, out, err, want)
			}
			if _, err := i.Rewind(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestARequestIsForCGIProgramsAndTheyForRequests(t *testing.T) {
	module := guest(t, task.ABICommand)
	e := newEngine(t, engine.Options{})
	for abi, in := range map[task.ABI]task.Invocation{
		task.ABICGI:     {Input: []byte("upper a")},
		task.ABICommand: {Input: []byte("upper a"), Environ: []string{"REQUEST_METHOD=GET"}},
	} {
		i, err := compile(t, e, abi, module).Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if out, fuel, err := i.Run(t.Context(), in, nil); err == nil || fuel != 0 || !strings.Contains(err.Error(), "/x/guest") && !strings.Contains(err.Error(), "guest/invoke") {
			t.Errorf("%s: %q for %d fuel, %v", abi, out, fuel, err)
		}
		if err := i.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
