package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// callers are those who use a server in one of its lives, and note what it tells them.
type callers struct {
	book    *book
	address string
	http    *http.Client

	names  *atomic.Int64 // given so far
	orders *sync.Map     // by name
	follow chan *entry   // acknowledged tasks whose results somebody asks for
}

func newCallers(b *book, orders *sync.Map, names *atomic.Int64, address string) *callers {
	return &callers{
		book: b, address: address, orders: orders, names: names, follow: make(chan *entry, 1000),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
}

// crowd is how many callers there are of each sort.
type crowd struct{ singles, batches, readers, meddlers int }

// all starts a crowd, which calls until ctx ends, and returns what waits for it.
func (c *callers) all(ctx context.Context, of crowd, seed uint64) (wait func()) {
	var callers sync.WaitGroup
	n := uint64(0)
	some := func(count int, call func(context.Context, *rand.Rand)) {
		for range count {
			n++
			random := rand.New(rand.NewPCG(seed, n))
			callers.Go(func() {
				for ctx.Err() == nil {
					call(ctx, random)
				}
			})
		}
	}
	some(of.singles, c.single)
	some(of.batches, c.batch)
	some(of.readers, c.read)
	some(of.meddlers, c.meddle)
	return func() {
		callers.Wait()
		c.http.CloseIdleConnections()
	}
}

// order is a new one, or one again that was not answered.
func (c *callers) order(random *rand.Rand) *order {
	if random.IntN(3) == 0 {
		if e := c.book.again(); e != nil {
			o, _ := c.orders.Load(e.name)
			return o.(*order)
		}
	}
	o := newOrder(random, fmt.Sprintf("task-%d", c.names.Add(1)))
	c.orders.Store(o.name, o)
	return o
}

// send makes a request. An error is that the answer did not come.
func (c *callers) send(ctx context.Context, method, target string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.address+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return c.http.Do(req)
}

// rest is a moment for a server that does not answer, or does not want more.
func rest(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}

// single submits one task, and may wait for what it comes to.
func (c *callers) single(ctx context.Context, random *rand.Rand) {
	c.submit(ctx, c.order(random), random.IntN(10) == 0)
}

func (c *callers) submit(ctx context.Context, o *order, wait bool) {
	var header []string
	if o.keyed {
		header = append(header, "Idempotency-Key", o.name)
	}
	if wait {
		header = append(header, "Prefer", "wait=2")
	}
	c.book.sending(o.entry)
	resp, err := c.send(ctx, http.MethodPost, "/v1/tasks?"+o.query(), []byte(o.input), header...)
	if err != nil {
		c.book.lost(o.entry)
		rest(ctx)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // it was read, or the server is gone
	where := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusAccepted && (!wait || where == "") {
		c.book.declined(o.entry, resp.StatusCode)
		rest(ctx)
		return
	}
	c.book.acknowledged(o.entry, path.Base(where))
	if resp.StatusCode != http.StatusAccepted {
		c.result(o.entry, resp)
		return
	}
	select {
	case c.follow <- o.entry:
	default: // there are enough of them
	}
}

// result notes what a task came to.
func (c *callers) result(e *entry, resp *http.Response) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return
	}
	r := result{status: resp.StatusCode, body: string(body)}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Kind string }
		if err := json.Unmarshal(body, &problem); err != nil {
			c.book.wrongf("%s was answered with %d and %q", e.id, resp.StatusCode, body)
			return
		}
		r.body = problem.Kind
	}
	c.book.announced(e, r)
}

// batch submits some tasks at once.
func (c *callers) batch(ctx context.Context, random *rand.Rand) {
	orders := make([]*order, 1+random.IntN(200))
	var body []byte
	for i := range orders {
		orders[i] = c.order(random)
		c.book.sending(orders[i].entry)
		body = append(body, orders[i].line()...)
	}
	answered := 0
	defer func() {
		for _, o := range orders[answered:] {
			c.book.lost(o.entry)
		}
	}()
	resp, err := c.send(ctx, http.MethodPost, "/v1/tasks/batch", body, "Content-Type", "application/x-ndjson")
	if err != nil {
		rest(ctx)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // it was read, or the server is gone
	lines := bufio.NewReader(resp.Body)
	for _, o := range orders {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var line struct {
			ID    string
			Error *struct{ Status int }
		}
		if err := json.Unmarshal(text, &line); err != nil {
			c.book.wrongf("a batch was answered with %q", text)
			return
		}
		answered++
		if line.Error != nil {
			c.book.declined(o.entry, line.Error.Status)
			continue
		}
		c.book.acknowledged(o.entry, line.ID)
	}
	// A plugin's tasks wait in order; who sends many gives others a turn.
	rest(ctx)
}

// read asks for a result: of a task that was acknowledged just now, or of any.
func (c *callers) read(ctx context.Context, random *rand.Rand) {
	var e *entry
	select {
	case e = <-c.follow:
	case <-time.After(10 * time.Millisecond):
		e = c.book.pick(random.Float64())
	case <-ctx.Done():
	}
	if e != nil && c.ask(ctx, e, "500ms") != nil {
		rest(ctx)
	}
}

// ask asks for a result. An error is that the answer did not come.
func (c *callers) ask(ctx context.Context, e *entry, wait string) error {
	resp, err := c.send(ctx, http.MethodGet, "/v1/tasks/"+e.id+"/result?wait="+wait, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read, or the server is gone
	switch resp.StatusCode {
	case http.StatusAccepted:
		if c.book.done(e) {
			c.book.wrongf("%s (%s) was done, and then it was not", e.id, e.name)
		}
	case http.StatusServiceUnavailable:
		rest(ctx)
	default:
		c.result(e, resp)
	}
	return nil
}

// meddle cancels a task now and then.
func (c *callers) meddle(ctx context.Context, random *rand.Rand) {
	rest(ctx)
	e := c.book.pick(0.999 - random.Float64()*random.Float64()/4)
	if e == nil || strings.HasSuffix(e.name, "0") { // some are left alone for sure
		return
	}
	c.book.meddling(e)
	resp, err := c.send(ctx, http.MethodDelete, "/v1/tasks/"+e.id, nil)
	if err != nil {
		return
	}
	defer resp.Body.Close() //nolint:errcheck // its body says nothing
	if resp.StatusCode == http.StatusAccepted {
		c.book.canceled(e)
	}
}
