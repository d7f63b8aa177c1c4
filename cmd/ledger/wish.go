package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
)

// wish is what a task is to come to.
type wish string

const (
	succeeds wish = "succeeds"
	fails    wish = "fails"    // the guest says so, and it is not tried again
	tooLate  wish = "too late" // each attempt is stopped, and there is a second one
)

const plugin = "ledger"

// order is a task that can be submitted.
type order struct {
	*entry
	input    string
	timeout  int // in ms; 0: the plugin's
	delay    int // in ms; 0: none
	priority int
}

// newOrder makes one at random.
func newOrder(random *rand.Rand, name string) *order {
	o := &order{entry: &entry{name: name, wish: succeeds, keyed: random.IntN(2) == 0}, priority: random.IntN(10)}
	what := "done"
	switch n := random.IntN(100); {
	case n < 5:
		what, o.wish = "fail", fails
	case n < 6:
		what, o.wish, o.timeout = "nap 500", tooLate, 10
	case n < 16:
		what = "nap " + strconv.Itoa(random.IntN(30))
	case n < 21:
		o.delay = 1 + random.IntN(2000)
	}
	o.input = what + " " + name + " "
	o.input += strings.Repeat("x", max(0, 256-len(o.input)))
	return o
}

// nameOf is that of the task that has an input.
func nameOf(input string) string {
	words := strings.Fields(input)
	if len(words) > 2 && words[0] == "nap" {
		return words[2]
	}
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

func (o *order) query() string {
	q := url.Values{"plugin": {plugin}, "priority": {strconv.Itoa(o.priority)}}
	if o.timeout > 0 {
		q.Set("timeout", fmt.Sprintf("%dms", o.timeout))
		q.Set("retries", "1")
		q.Set("backoff", "1ms")
	}
	if o.delay > 0 {
		q.Set("delay", fmt.Sprintf("%dms", o.delay))
	}
	return q.Encode()
}

// line is the order in a batch.
func (o *order) line() []byte {
	fields := map[string]any{"plugin": plugin, "input": o.input, "priority": o.priority}
	if o.timeout > 0 {
		fields["timeout_ms"], fields["retries"], fields["backoff_ms"] = o.timeout, 1, 1
	}
	if o.delay > 0 {
		fields["delay_ms"] = o.delay
	}
	if o.keyed {
		fields["key"] = o.name
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it is made of text and numbers
	}
	return append(text, '\n')
}
