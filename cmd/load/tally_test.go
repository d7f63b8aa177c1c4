package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnswersAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tally := &tally{want: []byte("ok"), deadline: time.Second}
		after := func(d time.Duration, status int, body string, err error) {
			tally.answered(time.Now().Add(-d), time.Millisecond, answer{status: status, fuel: 10, body: []byte(body)}, err)
		}
		after(0, 200, "ok", nil) // before the window
		tally.due(true)
		tally.begin()
		tally.due(true)
		tally.due(false)
		for n := range 100 {
			after(time.Duration(n+1)*time.Millisecond, 200, "ok", nil)
		}
		after(2*time.Second, 200, "ok", nil)
		after(5*time.Millisecond, 503, "busy", nil)
		after(5*time.Millisecond, 429, "busy", nil)
		after(time.Second, 504, "too late", nil)
		after(0, 200, "no", nil)
		after(0, 500, "no", nil)
		after(0, 0, "", errors.New("no answer"))
		time.Sleep(2 * time.Second)
		c := tally.end()
		after(0, 200, "ok", nil) // after it

		if c.Due != 2 || c.Unsent != 1 || c.Good != 100 || c.Late != 1 || c.Refused != 2 || c.Expired != 1 || c.Errors != 3 {
			t.Errorf("%+v", c)
		}
		if c.Seconds != 2 || c.goodPerSecond() != 50 || c.answered() != 107 || c.Fuel != 1070 {
			t.Errorf("%v s, %v good a second, %d answered, fuel %d", c.Seconds, c.goodPerSecond(), c.answered(), c.Fuel)
		}
		// To the upper end of 8 µs.
		if int(c.GoodTimes.P50MS) != 50 || int(c.GoodTimes.P99MS) != 99 || c.RefusedTimes.P99MS != 5 || c.Lag.P99MS != 1 {
			t.Errorf("good %+v, refused %+v, lag %+v", c.GoodTimes, c.RefusedTimes, c.Lag)
		}
		if c.AllTimes.Count != 102 || c.AllTimes.MaxMS < 2000 {
			t.Errorf("all %+v", c.AllTimes)
		}
		if c.FirstError != `the answer is "no", not "ok"` {
			t.Error(c.FirstError)
		}
	})
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	round := func(good int64, cpu float64) turn {
		return turn{counts{Seconds: 1, Good: good}, usage{Seconds: 1, Server: cpu}}
	}
	floor := []turn{round(1000, 0.5), round(100, 0.5), round(2000, 0.5)} // the second was disturbed
	turns := []turn{round(500, 0.5), round(60, 0.6), round(1000, 0.5)}
	p := paceOf("x", 64, turns, floor)
	if want := (median{500, 60, 1000}); p.PerSecond != want {
		t.Errorf("calls a second %v, want %v", p.PerSecond, want)
	}
	if want := (median{0.5, 0.5, 0.6}); p.PerSecondRatio != want {
		t.Errorf("their ratio %v, want %v", p.PerSecondRatio, want)
	}
	if want := (median{2, 2, 2}); p.CPURatio != want {
		t.Errorf("the ratio of processor time %v, want %v", p.CPURatio, want)
	}
	if err := firstError([]pace{p}); err != nil {
		t.Error(err)
	}
	turns[1].Errors, turns[1].FirstError = 2, "no answer"
	if p := paceOf("x", 64, turns, floor); p.Errors != 2 || firstError([]pace{p}) == nil {
		t.Errorf("%d errors: %v", p.Errors, firstError([]pace{p}))
	}
}

func TestMedianOfAnEvenNumberIsBetweenTheTwo(t *testing.T) {
	if got, want := medianOf([]float64{4, 1, 3, 2}), (median{2.5, 1, 4}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
