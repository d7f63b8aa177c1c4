package invoke_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/task"
)

// series runs a plugin as often as there are calls, and returns what became of each:
// "version output", or the kind of its fault. During is called after each.
func series(ctx context.Context, i *invoke.Invoker, calls []task.Invocation, during func(n int, err error)) (became []string, err error) {
	n := 0
	err = i.Series(ctx, task.Invocation{Namespace: "default", Plugin: "count"}, func(in *task.Invocation) bool {
		if n == len(calls) {
			return false
		}
		in.ID, in.Function, in.Input, in.Timeout = task.NewID(), calls[n].Function, calls[n].Input, calls[n].Timeout
		n++
		return true
	}, func(result *task.Result, err error) {
		if err != nil {
			became = append(became, string(task.FaultOf(err).Kind))
		} else {
			became = append(became, string(rune('0'+result.Ref.Version))+" "+string(result.Output))
		}
		if during != nil {
			during(n, err)
		}
	})
	return became, err
}

func TestNoCallOfASeriesSeesWhatAnotherLeft(t *testing.T) {
	for _, imageOff := range []bool{false, true} {
		i, m := newInvoker(t)
		module := counting('a')
		v := version(1, module)
		v.ImageOff = imageOff // each instance serves one call
		if err := i.Load(t.Context(), v, module); err != nil {
			t.Fatal(err)
		}
		i.Route(v.Ref)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				became, err := series(t.Context(), i, make([]task.Invocation, 100), nil)
				if want := slices.Repeat([]string{"1 a"}, 100); err != nil || !slices.Equal(became, want) {
					t.Errorf("image off %v: %q, %v", imageOff, became, err)
				}
			})
		}
		wg.Wait()
		if row := m.Stats().Plugins[0]; row.Calls != 400 || len(row.Faults) != 0 || row.OutputBytes != 400 || row.Run.MaxMS <= 0 {
			t.Errorf("the monitor saw %+v", row)
		}
		for i.Pools()[0].Lent > 0 && !imageOff { // one that ran for long is rewound after its answer
			time.Sleep(time.Millisecond)
		}
		var served int64
		for _, one := range i.Instances("default", "count") {
			served += one.Calls
		}
		if served != 400 && !imageOff { // of which only the last that ended are told
			t.Errorf("the instances say that they served %d calls", served)
		}
	}
}

func TestAFaultDoesNotEndASeries(t *testing.T) {
	i, m := newInvoker(t)
	deploy(t, i, 1, 'a')
	became, err := series(t.Context(), i, []task.Invocation{
		{}, {Function: "absent"}, {Input: make([]byte, 101)}, {}, {Function: "spin", Timeout: 20 * time.Millisecond}, {},
	}, func(n int, err error) {
		if n == 5 && (!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "20ms")) {
			t.Errorf("the deadline's fault is %v", err)
		}
	})
	if want := []string{"1 a", "not_found", "too_large", "1 a", "deadline", "1 a"}; err != nil || !slices.Equal(became, want) {
		t.Errorf("%q, %v; want %q", became, err, want)
	}
	if row := m.Stats().Plugins[0]; row.Calls != 6 || row.Faults[task.KindNotFound] != 1 || row.Faults[task.KindTooLarge] != 1 || row.Faults[task.KindDeadline] != 1 {
		t.Errorf("the monitor saw %+v", row)
	}
}

func TestASeriesGoesOnWithTheNextVersionAndWithoutOne(t *testing.T) {
	i, _ := newInvoker(t)
	deploy(t, i, 1, 'a')
	// A long call ends a loan, after which the version may be another.
	spin := task.Invocation{Function: "spin", Timeout: 5 * time.Millisecond}
	became, err := series(t.Context(), i, []task.Invocation{{}, spin, {}, spin, {}}, func(n int, _ error) {
		switch n {
		case 2:
			deploy(t, i, 2, 'b')
		case 4:
			i.Unroute("default", "count")
		}
	})
	if want := []string{"1 a", "deadline", "2 b", "deadline", "not_found"}; err != nil || !slices.Equal(became, want) {
		t.Errorf("%q, %v; want %q", became, err, want)
	}
}

func TestASeriesEndsWithItsContext(t *testing.T) {
	i, _ := newInvoker(t)
	deploy(t, i, 1, 'a')
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for i.Pools()[0].Lent == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(gone)
	}()
	became, err := series(ctx, i, []task.Invocation{{Function: "spin"}, {}}, nil)
	if !errors.Is(err, gone) || len(became) != 0 {
		t.Errorf("%q, %v", became, err)
	}
	if became, err := series(t.Context(), i, make([]task.Invocation, 2), nil); err != nil || !slices.Equal(became, []string{"1 a", "1 a"}) {
		t.Errorf("the next series: %q, %v", became, err)
	}
}

// With one instance, others have their turn between the calls of a series that are long,
// and none of its calls is late because others had theirs.
func TestASeriesGivesWay(t *testing.T) {
	i, _ := newInvoker(t)
	module := counting('a')
	v := version(1, module)
	v.Max = 1
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	answered := make(chan error, 1)
	spin := task.Invocation{Function: "spin", Timeout: 5 * time.Millisecond}
	became, _ := series(ctx, i, slices.Repeat([]task.Invocation{spin}, 1000), func(n int, _ error) {
		if n == 1 {
			go func() {
				_, err := call(t.Context(), i, task.Invocation{})
				enough()
				answered <- err
			}()
		}
	})
	if err := <-answered; err != nil || len(became) > 20 {
		t.Errorf("after %d calls of the series another was answered: %v", len(became), err)
	}
	if slices.ContainsFunc(became, func(s string) bool { return s != "deadline" }) {
		t.Errorf("%q", became)
	}
}
