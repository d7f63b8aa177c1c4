package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/marketprism/prismrt/cmd/internal/served"
)

// account is what came of it in the end.
type account struct {
	Acknowledged int         `json:"acknowledged"`
	Announced    int         `json:"announced"`  // results, before the account was taken
	Canceled     int         `json:"canceled"`   // and that was acknowledged
	Refused      map[int]int `json:"refused"`    // submissions, by status
	Unheard      int         `json:"unanswered"` // submissions
	Stray        int         `json:"stray"`      // tasks that are there, though no submission of theirs was answered
	CutOff       int         `json:"cut_off"`    // attempts
	GivenUp      int         `json:"given_up"`   // tasks, for that
	Repeated     int         `json:"repeated"`   // tasks that ran more than once, as an attempt was cut off
	Runs         int         `json:"runs"`       // attempts that ran in the last life of the server
	SlowestStart float64     `json:"slowest_start_s"`
	Seed         uint64      `json:"seed"`
	Wrongs       int         `json:"wrongs"`
	Wrong        []string    `json:"wrong"` // the first of them
}

// doc is a task as the server tells of it.
type doc struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Input    string    `json:"input"`
	Attempts []attempt `json:"attempts"`
}

type attempt struct {
	Number  int                    `json:"number"`
	BegunAt time.Time              `json:"begun_at"`
	CutOff  bool                   `json:"cut_off"`
	Fault   *struct{ Kind string } `json:"fault"`
	Log     []string               `json:"log"`
}

// givenUp tells whether a task was not run again, as attempts had been cut off too often: its
// last attempt says so, and did not run.
func (d *doc) givenUp() bool {
	n := len(d.Attempts)
	return n > 1 && d.Attempts[n-2].CutOff && d.Attempts[n-1].Fault != nil && d.Attempts[n-1].Fault.Kind == "internal"
}

// drainTime is how long a server may take to run what was left.
const drainTime = 5 * time.Minute

// take waits until a server has run everything that was acknowledged, and accounts for each
// task. The server began its life at a time.
func (c *callers) take(ctx context.Context, server *served.Process, begun time.Time) (a account, err error) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for _, e := range c.book.all() {
		if e.result != nil {
			a.Announced++
		}
		if e.canceled {
			a.Canceled++
		}
	}
	// What was not answered is submitted again: a key makes one task of it.
	for e := c.book.again(); e != nil; e = c.book.again() {
		o, _ := c.orders.Load(e.name)
		c.submit(ctx, o.(*order), false)
		if ctx.Err() != nil {
			return a, errors.New("what was not answered cannot be submitted again")
		}
	}
	all := c.book.all()
	a.Acknowledged = len(all)
	docs := make([]*doc, len(all))
	if err := each(ctx, len(all), func(n int) (err error) {
		docs[n], err = c.end(ctx, all[n])
		return err
	}); err != nil {
		return a, err
	}
	for n, e := range all {
		c.check(&a, e, docs[n])
	}
	strays, err := c.strays(ctx)
	if err != nil {
		return a, err
	}
	a.Stray = len(strays)
	if err := c.runs(ctx, server, &a, begun, append(docs, strays...)); err != nil {
		return a, err
	}
	for _, e := range c.book.named {
		a.Unheard += e.unheard
	}
	a.Refused = c.book.refused
	a.Wrongs, a.Wrong = c.book.wrongs, c.book.wrong
	return a, nil
}

// each calls f for 0 to n-1, several at once, until one fails.
func each(ctx context.Context, n int, f func(int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, 1)
	for range 16 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					select {
					case errs <- err:
					default:
					}
					next.Store(int64(n))
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// end waits for the end of a task, and returns what is known of it.
func (c *callers) end(ctx context.Context, e *entry) (*doc, error) {
	for !c.settled(ctx, e) {
		if ctx.Err() != nil {
			d, _ := c.doc(context.WithoutCancel(ctx), e.id)
			return nil, fmt.Errorf("%s (%s) does not end; it is %+v", e.id, e.name, d)
		}
	}
	return c.doc(ctx, e.id)
}

// settled asks for a result once more, also where it was announced: it must be the same.
func (c *callers) settled(ctx context.Context, e *entry) bool {
	resp, err := c.send(ctx, http.MethodGet, "/v1/tasks/"+e.id+"/result?wait=5s", nil)
	if err != nil {
		rest(ctx)
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to its end
	if resp.StatusCode == http.StatusAccepted && !c.book.done(e) {
		return false
	}
	c.result(e, resp)
	return true
}

func (c *callers) get(ctx context.Context, target string, into any) error {
	resp, err := c.send(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("GET %s: %s: %.500s", target, resp.Status, body)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (c *callers) doc(ctx context.Context, id string) (*doc, error) {
	var d doc
	err := c.get(ctx, "/v1/tasks/"+id+"?input=true", &d)
	return &d, err
}

// check holds a task against what was told of it.
func (c *callers) check(a *account, e *entry, d *doc) {
	wrong := func(format string, args ...any) {
		c.book.wrongf("%s (%s): %s", e.id, e.name, fmt.Sprintf(format, args...))
	}
	found, _ := c.orders.Load(e.name)
	o := found.(*order)
	if d.Input != o.input {
		wrong("it was submitted with %.80q and has %.80q", o.input, d.Input)
	}
	// Each attempt but the last ones of a retry must have been cut off, as one that came to an
	// end would have ended the task.
	ran, cut := 0, 0
	for i, at := range d.Attempts {
		if at.Number != i+1 {
			wrong("attempt %d is number %d", i+1, at.Number)
		}
		switch {
		case at.CutOff:
			cut++
		case i < len(d.Attempts)-1 && at.Fault == nil:
			wrong("it succeeded with attempt %d, and ran again", at.Number)
		case i < len(d.Attempts)-1 && at.Fault.Kind != "deadline":
			wrong("it failed with %s in attempt %d, and ran again", at.Fault.Kind, at.Number)
		}
		if !at.CutOff {
			ran++
		}
	}
	a.CutOff += cut
	switch {
	case d.givenUp():
		a.GivenUp++
	case cut > 0 && len(d.Attempts) > cut:
		a.Repeated++
	}
	if want := c.mayBe(e, d); !slices.Contains(want, d.State) {
		wrong("it is %s and is to be %s; its attempts: %+v", d.State, strings.Join(want, " or "), d.Attempts)
	}
	if ran > 1 && e.wish == succeeds && !slices.ContainsFunc(d.Attempts, func(at attempt) bool { return at.Fault != nil }) {
		wrong("it ran %d times", ran)
	}
	status := map[string]int{"succeeded": http.StatusOK, "canceled": http.StatusGone}[d.State]
	if status != 0 && e.result.status != status {
		wrong("it is %s, and its result was announced with %d", d.State, e.result.status)
	}
	if d.State != "succeeded" {
		return
	}
	mark, input, _ := strings.Cut(e.result.body, " ")
	if input != o.input {
		wrong("it came to %.80q", e.result.body)
	}
	if last := d.Attempts[len(d.Attempts)-1]; !slices.Equal(last.Log, []string{"info: " + mark}) {
		wrong("its result is that of the run %q, and its last attempt has the log %q", mark, last.Log)
	}
}

// mayBe are the states that a task may be in at the end.
func (c *callers) mayBe(e *entry, d *doc) []string {
	if e.canceled {
		return []string{"canceled"}
	}
	states := []string{"succeeded"}
	if e.wish != succeeds {
		states = []string{"dead"}
	}
	if d.givenUp() {
		states = append(states, "dead")
	}
	if e.meddled {
		states = append(states, "canceled")
	}
	return states
}

// strays finds tasks that nobody was told of: all that may be are those of submissions that
// were not answered.
func (c *callers) strays(ctx context.Context) (strays []*doc, err error) {
	seen := map[string]int{}
	for target := "/v1/tasks?limit=1000"; target != ""; {
		var page struct {
			Tasks []doc
			Next  string
		}
		if err := c.get(ctx, target, &page); err != nil {
			return nil, err
		}
		for _, t := range page.Tasks {
			if seen[t.ID]++; seen[t.ID] > 1 {
				c.book.wrongf("%s is on two pages", t.ID)
			}
			if c.book.ids[t.ID] != nil {
				continue
			}
			d, err := c.doc(ctx, t.ID)
			if err != nil {
				return nil, err
			}
			strays = append(strays, d)
		}
		target = page.Next
	}
	for _, e := range c.book.all() {
		if seen[e.id] == 0 {
			c.book.wrongf("%s (%s) is on no page", e.id, e.name)
		}
	}
	byName := map[string]int{}
	for _, d := range strays {
		name := nameOf(d.Input)
		byName[name]++
		switch e := c.book.named[name]; {
		case e == nil:
			c.book.wrongf("%s is of nobody: %.80q", d.ID, d.Input)
		case e.keyed && e.id != "":
			c.book.wrongf("%s, with one key, is there as %s and as %s", name, e.id, d.ID)
		case byName[name] > e.unheard:
			c.book.wrongf("%s is there %d times more often than it was submitted", name, byName[name])
		}
	}
	return strays, nil
}

// runs compares how often the guest ran in the last life of the server, as that counts, with
// the attempts that are known: what was reported done has not run again.
func (c *callers) runs(ctx context.Context, server *served.Process, a *account, begun time.Time, docs []*doc) error {
	known := 0
	for _, d := range docs {
		for _, at := range d.Attempts {
			if !at.CutOff && at.BegunAt.After(begun) {
				known++
			}
		}
		if d.givenUp() && d.Attempts[len(d.Attempts)-1].BegunAt.After(begun) {
			known--
		}
	}
	if begun.IsZero() {
		return nil
	}
	for range 50 { // tasks that were canceled leave the guest a moment later
		n, err := c.invocations(ctx)
		if err != nil {
			return err
		}
		if a.Runs = n; n == known {
			return nil
		}
		rest(ctx)
	}
	if canceled := c.canceledIn(docs); a.Runs < known || a.Runs > known+canceled {
		c.book.wrongf("the guest ran %d times since the server was started last, and of %d attempts something is known", a.Runs, known)
	}
	return server.Exit()
}

// canceledIn is how many tasks may have run and are noted as cut off, as they were canceled.
func (c *callers) canceledIn(docs []*doc) (n int) {
	for _, d := range docs {
		if d.State == "canceled" {
			n++
		}
	}
	return n
}

// invocations is how often the guest ran in this life of the server.
func (c *callers) invocations(ctx context.Context) (int, error) {
	resp, err := c.send(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return 0, err
	}
	family := families["prismrt_invocations_total"]
	if family == nil {
		return 0, nil
	}
	sum := 0.0
	for _, m := range family.Metric {
		sum += m.GetCounter().GetValue()
	}
	return int(sum), nil
}
