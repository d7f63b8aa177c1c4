package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// slow answers after some time, for ever when that is 0, and remembers when it was
// asked.
type slow struct {
	takes time.Duration
	gone  chan struct{}
	asked []time.Time
}

func newSlow(takes time.Duration) *slow { return &slow{takes: takes, gone: make(chan struct{})} }

func (s *slow) exchange(context.Context) (answer, error) {
	s.asked = append(s.asked, time.Now())
	var end <-chan time.Time
	if s.takes > 0 {
		end = time.After(s.takes)
	}
	select {
	case <-end:
		return answer{status: http.StatusOK, fuel: 7, body: []byte("ok")}, nil
	case <-s.gone:
		return answer{}, errors.New("gone")
	}
}

func (s *slow) giveUp() { close(s.gone) }

func crowdOf(count int, takes time.Duration) (crowd []*slow) {
	for range count {
		crowd = append(crowd, newSlow(takes))
	}
	return crowd
}

// during counts for so long what a generator does that was made before.
func during(t *tally, length time.Duration) counts {
	t.begin()
	time.Sleep(length)
	return t.end()
}

func TestClosedLoopWaitsForEachAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tally := &tally{want: []byte("ok")}
		g := closedLoop(t.Context(), crowdOf(4, 10*time.Millisecond), tally)
		time.Sleep(5 * time.Millisecond)
		c := during(tally, 10*time.Second)
		g.stop()
		if c.Good != 4000 || c.answered() != 4000 || c.Fuel != 4000*7 || c.goodPerSecond() != 400 || c.GoodTimes.P99MS != 10 {
			t.Errorf("%+v, want 400 a second, each after 10 ms", c)
		}
	})
}

// open runs an open loop of 100 a second for 100 s, and returns what was counted, when
// requests were sent, and how many of the crowd sent any.
func open(t *testing.T, count int, takes time.Duration) (c counts, sent []time.Duration, used int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		crowd := crowdOf(count, takes)
		tally := &tally{want: []byte("ok")}
		g := openLoop(t.Context(), crowd, 100, rand.New(rand.NewPCG(1, 2)), tally)
		c = during(tally, 100*time.Second)
		g.stop()
		for _, s := range crowd {
			if len(s.asked) > 0 {
				used++
			}
			for _, at := range s.asked {
				sent = append(sent, at.Sub(begun))
			}
		}
		slices.Sort(sent)
	})
	return c, sent, used
}

func TestOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	fast, fastSent, _ := open(t, 500, time.Millisecond)
	late, lateSent, _ := open(t, 500, 2*time.Second)
	if !slices.Equal(fastSent, lateSent) {
		t.Error("slow answers change when requests are sent")
	}
	if fast.Unsent+late.Unsent > 0 || fast.Due != late.Due || math.Abs(float64(fast.Due)-10_000) > 300 {
		t.Errorf("due were %d and %d, unsent %d and %d; want some 10,000 and none", fast.Due, late.Due, fast.Unsent, late.Unsent)
	}
	if fast.GoodTimes.P99MS != 1 || late.GoodTimes.P50MS < 1999 || late.GoodTimes.P50MS > 2001 {
		t.Errorf("p99 of fast answers %v ms, p50 of slow ones %v ms", fast.GoodTimes.P99MS, late.GoodTimes.P50MS)
	}
	// The gaps of a Poisson process have its mean for a standard deviation.
	var squares float64
	for i := range fastSent[1:] {
		gap := (fastSent[i+1] - fastSent[i]).Seconds() - 0.01
		squares += gap * gap
	}
	if deviation := math.Sqrt(squares / float64(len(fastSent)-1)); math.Abs(deviation-0.01) > 0.001 {
		t.Errorf("the gaps' standard deviation is %v s, want 0.01", deviation)
	}
}

func TestOpenLoopCountsWhatItCannotSend(t *testing.T) {
	c, sent, _ := open(t, 10, time.Second) // 10 of 100 a second
	if c.Good < 950 || c.Good > 1000 || c.Due-c.Unsent != int64(len(sent)) || math.Abs(float64(c.Due)-10_000) > 300 {
		t.Errorf("good %d, due %d, unsent %d, sent %d", c.Good, c.Due, c.Unsent, len(sent))
	}
}

func TestWhoCameLastIsSentFirst(t *testing.T) {
	c, _, used := open(t, 500, time.Millisecond)
	if c.Unsent > 0 {
		t.Fatalf("%d were not sent", c.Unsent)
	}
	if used > 20 {
		t.Errorf("%d of 500 were used, where a few are enough", used)
	}
}

func TestStopGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tally := &tally{want: []byte("ok")}
		g := closedLoop(t.Context(), crowdOf(3, 0), tally)
		tally.begin()
		time.Sleep(time.Second)
		begun := time.Now()
		g.stop()
		if c := tally.end(); c.Errors != 3 || c.FirstError != "gone" || time.Since(begun) != patience {
			t.Errorf("%+v after %v, want 3 errors after %v", c, time.Since(begun), patience)
		}
	})
}
