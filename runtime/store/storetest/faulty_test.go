package storetest_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

func aTask() []store.Task {
	return []store.Task{{ID: task.NewID(), Namespace: "default", Plugin: "normalise"}}
}

// told is what calls to a Faulty store answered, in order, and checks that what they said
// is so.
func told(t *testing.T, seed uint64) (all []string) {
	inner := volatile.New()
	f := storetest.NewFaulty(inner, storetest.Faults{Seed: seed, Share: 0.5})
	for range 200 {
		tasks, begun := aTask(), time.Now()
		_, err := f.Submit(t.Context(), tasks)
		late := time.Since(begun)
		records, _ := inner.Read(t.Context(), []task.ID{tasks[0].ID}, 0)
		there := records[0].ID != ""
		switch {
		case err == nil && late == 0:
			all = append(all, "well")
		case err == nil && late <= 5*time.Millisecond:
			all = append(all, "late")
		case errors.Is(err, store.ErrFull) || errors.Is(err, storetest.ErrRefused) || errors.Is(err, storetest.ErrUnheard):
			all = append(all, err.Error())
		default:
			t.Errorf("after %v: %v", late, err)
		}
		if there != (err == nil || errors.Is(err, storetest.ErrUnheard)) {
			t.Errorf("%v, and the task is there: %v", err, there)
		}
	}
	if n := len(all) - count(all, "well"); int64(n) != f.Injected() {
		t.Errorf("%d faults counted, %d seen", f.Injected(), n)
	}
	return all
}

func count(all []string, what string) (n int) {
	for _, s := range all {
		if s == what {
			n++
		}
	}
	return n
}

func TestCallsFailBeforeTheyAreMadeOrAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := told(t, 1)
		for _, what := range []string{"well", "late", store.ErrFull.Error(), storetest.ErrRefused.Error(), storetest.ErrUnheard.Error()} {
			if n := count(all, what); n < 10 {
				t.Errorf("%d of %d calls went so: %s", n, len(all), what)
			}
		}
		if !slices.Equal(all, told(t, 1)) {
			t.Error("the same seed fails other calls")
		}
		if slices.Equal(all, told(t, 2)) {
			t.Error("another seed fails the same calls")
		}
	})
}

func TestARefusalHoldsUntilItIsTakenBack(t *testing.T) {
	f := storetest.NewFaulty(volatile.New(), storetest.Faults{Share: 1e-300})
	for _, want := range []error{nil, store.ErrBroken, store.ErrFull, nil} {
		f.Refuse(want)
		for range 3 {
			if _, err := f.Submit(t.Context(), aTask()); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	}
	if page, _ := f.Page(t.Context(), store.Query{Limit: 100}); len(page) != 6 {
		t.Errorf("%d tasks stored, want 6", len(page))
	}
}
