package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/timings"
)

// tally counts what becomes of the requests of one generator, while its window is
// open. It is safe for concurrent use.
type tally struct {
	want     []byte        // the body of a right answer; nil: any
	status   int           // of a right answer; 0: 200
	deadline time.Duration // an answer that takes longer is no good; 0: none does

	mu     sync.Mutex
	open   bool
	begun  time.Time
	counts counts

	good, refused, rest, lag *timings.Histogram // made when first needed
}

// counts is what became of requests. Those are counted that were answered within the
// window, whenever they were sent: in a steady state the one is as good as the other.
type counts struct {
	Seconds float64 `json:"seconds"` // length of the window

	Due     int64 `json:"due"`     // what the schedule wanted to be sent in the window; in a closed loop what was sent
	Unsent  int64 `json:"unsent"`  // of them: as many as may be were on their way
	Good    int64 `json:"good"`    // the right status and body, in time
	Late    int64 `json:"late"`    // likewise, after the deadline
	Refused int64 `json:"refused"` // 429 and 503
	Expired int64 `json:"expired"` // 504
	Errors  int64 `json:"errors"`  // any other answer, and none

	Fuel int64 `json:"fuel"` // instructions, of all answers

	// Times are from when the schedule wanted the request sent to its answer.
	GoodTimes    timings.Spread `json:"good_times"`
	RefusedTimes timings.Spread `json:"refused_times"`
	AllTimes     timings.Spread `json:"all_times"` // of all answers that are no refusals
	Lag          timings.Spread `json:"lag"`       // how late requests were sent

	FirstError string `json:"first_error,omitempty"`
}

// goodPerSecond is the goodput.
func (c counts) goodPerSecond() float64 { return c.per(c.Good) }

// per is how many there were a second.
func (c counts) per(n int64) float64 {
	if c.Seconds == 0 {
		return 0
	}
	return float64(n) / c.Seconds
}

// answered is how many answers there were, of any kind.
func (c counts) answered() int64 { return c.Good + c.Late + c.Refused + c.Expired + c.Errors }

// begin opens the window.
func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.begun = true, time.Now()
}

// end closes the window and returns what was counted.
func (t *tally) end() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.counts
	c.Seconds = time.Since(t.begun).Seconds()
	t.open = false
	c.GoodTimes, c.RefusedTimes, c.Lag = spread(t.good), spread(t.refused), spread(t.lag)
	if t.rest == nil { // all but refusals were good
		c.AllTimes = c.GoodTimes
	} else {
		if t.good != nil {
			t.rest.Merge(t.good)
		}
		c.AllTimes = spread(t.rest)
	}
	return *c
}

// due counts a request whose time has come; sent says whether it was.
func (t *tally) due(sent bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	t.counts.Due++
	if !sent {
		t.counts.Unsent++
	}
}

// answered counts a request that was due then, was sent so much later, and has its
// answer now.
func (t *tally) answered(due time.Time, lag time.Duration, a answer, err error) {
	took := time.Since(due)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	c, right := &t.counts, cmp.Or(t.status, http.StatusOK)
	c.Fuel += a.fuel
	add(&t.lag, lag)
	switch {
	case err != nil:
		t.failed("%v", err)
	case a.status == right && t.want != nil && !bytes.Equal(a.body, t.want):
		t.failed("the answer is %.80q, not %.80q", a.body, t.want)
	case a.status == right && (t.deadline == 0 || took <= t.deadline):
		c.Good++
		add(&t.good, took)
	case a.status == right:
		c.Late++
		add(&t.rest, took)
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		c.Refused++
		add(&t.refused, took)
	case a.status == http.StatusGatewayTimeout:
		c.Expired++
		add(&t.rest, took)
	default:
		t.failed("the status is %d: %.200s", a.status, a.body)
	}
}

func (t *tally) failed(format string, args ...any) {
	if t.counts.Errors++; t.counts.Errors == 1 {
		t.counts.FirstError = fmt.Sprintf(format, args...)
	}
}

// add makes the histogram unless it is there.
func add(h **timings.Histogram, d time.Duration) {
	if *h == nil {
		*h = timings.New()
	}
	(*h).Add(d)
}

func spread(h *timings.Histogram) timings.Spread {
	if h == nil {
		return timings.Spread{}
	}
	return h.Spread()
}
