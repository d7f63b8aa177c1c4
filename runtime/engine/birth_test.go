package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

var (
	epoch = time.Unix(1_800_000_000, 5)
	seed  = [32]byte{1, 2, 3}
)

// born makes a call that is at its birth, of no instance.
func born(t *testing.T) *call { return &call{Context: t.Context(), birth: newBirth(epoch, seed)} }

func TestEveryBirthIsTheSame(t *testing.T) {
	var seen [2][]any
	for i := range seen {
		c := born(t)
		for n := range 20 {
			realtime, monotonic := c.Now()
			p := make([]byte, 7*n)
			c.Random(p)
			c.Sleep(time.Duration(n) * time.Second)
			seen[i] = append(seen[i], realtime, monotonic, string(p))
		}
	}
	for n, got := range seen[1] {
		if want := seen[0][n]; got != want {
			t.Fatalf("reading %d is %v in one and %v in the other", n, want, got)
		}
	}

	c, other := born(t), &call{Context: t.Context(), birth: newBirth(epoch, [32]byte{4})}
	p, q := make([]byte, 32), make([]byte, 32)
	c.Random(p)
	other.Random(q)
	if bytes.Equal(p, q) {
		t.Error("another seed makes the same numbers")
	}
}

func TestTimePassesAtBirthAsTheGuestLetsIt(t *testing.T) {
	c := born(t)
	at := func(want time.Duration) {
		t.Helper()
		realtime, monotonic := c.Now()
		if time.Duration(monotonic) != want || !time.Unix(0, int64(realtime)).Equal(epoch.Add(want)) {
			t.Errorf("the clocks say %v and %v, want %v later", time.Unix(0, int64(realtime)), time.Duration(monotonic), want)
		}
	}
	began := time.Now()
	at(time.Microsecond)
	at(2 * time.Microsecond)
	c.Sleep(5 * time.Hour)
	at(5*time.Hour + 3*time.Microsecond)
	c.Sleep(time.Nanosecond)
	at(5*time.Hour + 4*time.Microsecond + 1)
	if took := time.Since(began); took > time.Hour {
		t.Errorf("that took %v", took)
	}
}

func TestLiveIsNeverBehindABirth(t *testing.T) {
	c, live := born(t), &call{Context: t.Context()}
	c.Sleep(maxBirth - birthTick)
	_, before := c.Now()
	realtime, monotonic := live.Now()
	if time.Duration(before) != maxBirth || monotonic <= before {
		t.Errorf("the clock went from %v to %v", time.Duration(before), time.Duration(monotonic))
	}
	if off := time.Since(time.Unix(0, int64(realtime))); off < 0 || off > time.Minute {
		t.Errorf("the live clock is off by %v", off)
	}
	p, q := make([]byte, 32), make([]byte, 32)
	live.Random(p)
	live.Random(q)
	if bytes.Equal(p, q) {
		t.Error("live random numbers repeat")
	}
}

func TestABirthEndsAfterADay(t *testing.T) {
	for title, last := range map[string]func(*call){
		"a sleep":           func(c *call) { c.Sleep(time.Hour) },
		"a sleep of years":  func(c *call) { c.Sleep(1<<63 - 1) },
		"looking at clocks": func(c *call) { c.Now() },
	} {
		c := born(t)
		c.Sleep(23 * time.Hour)
		c.Sleep(time.Hour - time.Nanosecond)
		func() {
			defer func() {
				if r := recover(); r != errEnded {
					t.Fatalf("%s: recovered %v, want %v", title, r, errEnded)
				}
			}()
			last(c)
		}()
		if f := c.stopped; f == nil || f.Kind != task.KindDeadline || !errors.Is(f, context.DeadlineExceeded) {
			t.Errorf("%s: stopped for %v", title, f)
		}
	}
}

func TestACallIsFoundInAWrappedContext(t *testing.T) {
	type inner struct{}
	type outer struct{}
	c := &call{Context: context.WithValue(t.Context(), inner{}, 1)}
	wrapped := context.WithValue(c, outer{}, 2)
	if wrapped.Value(task.CallKey{}) != c || wrapped.Value(inner{}) != 1 || wrapped.Value(outer{}) != 2 || c.Value(outer{}) != nil {
		t.Error("values are lost")
	}
}
