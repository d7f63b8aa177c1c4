package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

// book is what callers were told. It is safe for concurrent use.
type book struct {
	mu      sync.Mutex
	named   map[string]*entry // every task that somebody tried to submit
	ids     map[string]*entry // those that were acknowledged
	order   []*entry          // likewise, the first one first
	unheard []*entry          // with a key, and a submission that was not answered
	refused map[int]int       // submissions that were answered otherwise, by status
	wrong   []string          // what does not hold
	wrongs  int               // of these and more
	open503 bool              // whether a submission that is answered with 503 was stored is open
	file    *os.File          // nil: none
	lines   *bufio.Writer
}

// entry is a task as its submitter knows it.
type entry struct {
	name  string
	wish  wish
	keyed bool

	id       string    // "": it was not acknowledged
	sent     int       // submissions
	last     time.Time // when that was sent which was sent last
	unheard  int       // of them that were not answered
	canceled bool      // and that was acknowledged
	meddled  bool      // somebody tried to cancel it
	result   *result
}

// result is what was announced of a task.
type result struct {
	status int
	body   string // of a success; of a fault, its kind
}

func newBook(path string) (*book, error) {
	b := &book{named: map[string]*entry{}, ids: map[string]*entry{}, refused: map[int]int{}}
	if path == "" {
		return b, nil
	}
	var err error
	if b.file, err = os.Create(path); err != nil {
		return nil, err
	}
	b.lines = bufio.NewWriter(b.file)
	return b, nil
}

// close writes what is left to the file.
func (b *book) close() error {
	if b.file == nil {
		return nil
	}
	return errors.Join(b.lines.Flush(), b.file.Close())
}

// noteLocked writes a line. The book in memory is what counts.
func (b *book) noteLocked(what string, e *entry, of any) {
	if b.file == nil {
		return
	}
	line := map[string]any{"time": time.Now().UTC(), "event": what}
	if e != nil {
		line["task"], line["name"] = e.id, e.name
	}
	if of != nil {
		line["of"] = of
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // it is made of text and numbers
	}
	_, _ = b.lines.Write(append(text, '\n')) // close tells of what failed
}

// note writes a line about the server.
func (b *book) note(what string, of any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noteLocked(what, nil, of)
}

func (b *book) wrongf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrongfLocked(format, args...)
}

// mostWrong is how much of what does not hold is told.
const mostWrong = 20

func (b *book) wrongfLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.noteLocked("wrong", nil, text)
	if b.wrongs++; len(b.wrong) < mostWrong {
		b.wrong = append(b.wrong, text)
	}
}

// sending notes that a submission is on its way.
func (b *book) sending(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other, taken := b.named[e.name]; taken && other != e {
		panic("two tasks have the name " + e.name)
	}
	b.named[e.name] = e
	e.sent, e.last = e.sent+1, time.Now()
}

// lost notes that a submission was not answered.
func (b *book) lost(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.unheard++
	if e.keyed {
		b.unheard = append(b.unheard, e)
	}
}

// declined notes that a submission was answered with something else than 202.
func (b *book) declined(e *entry, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[status]++
	if status == http.StatusServiceUnavailable && b.open503 {
		e.unheard++
	}
}

// refusals is how many submissions were answered with a status.
func (b *book) refusals(status int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused[status]
}

// again is a task whose submission was not answered and that has a key, nil when there is
// none.
func (b *book) again() *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.unheard) == 0 {
		return nil
	}
	e := b.unheard[0]
	b.unheard = b.unheard[1:]
	return e
}

// acknowledged notes a 202.
func (b *book) acknowledged(e *entry, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch other := b.ids[id]; {
	case id == "":
		b.wrongfLocked("%s was acknowledged without an id", e.name)
	case other != nil && other != e:
		b.wrongfLocked("%s was acknowledged for %s and for %s", id, other.name, e.name)
	case e.id == "":
		e.id = id
		b.ids[id] = e
		b.order = append(b.order, e)
		b.noteLocked("acknowledged", e, nil)
	case e.id != id:
		b.wrongfLocked("%s, with one key, was acknowledged as %s and as %s", e.name, e.id, id)
	}
}

// announced notes a result.
func (b *book) announced(e *entry, r result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.result == nil {
		e.result = &r
		b.noteLocked("announced", e, map[string]any{"status": r.status, "result": r.body})
	}
	if *e.result != r {
		b.wrongfLocked("%s (%s) was announced as %d %q and then as %d %q", e.id, e.name, e.result.status, e.result.body, r.status, r.body)
	}
}

// meddling notes that somebody is about to cancel a task, and canceled the answer.
func (b *book) meddling(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.meddled = true
}

func (b *book) canceled(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.result != nil && e.result.status != 410 {
		b.wrongfLocked("%s (%s) was canceled after its result was announced", e.id, e.name)
	}
	e.canceled = true
	b.noteLocked("canceled", e, nil)
}

// done tells whether a result was announced.
func (b *book) done(e *entry) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return e.result != nil
}

// takenSince is how many tasks were acknowledged that were submitted after a moment.
func (b *book) takenSince(moment time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.order {
		if e.last.After(moment) {
			n++
		}
	}
	return n
}

// all are the tasks that were acknowledged.
func (b *book) all() []*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.order[:len(b.order):len(b.order)]
}

// pick is one of those, by a number from 0 to 1; nil when there is none.
func (b *book) pick(at float64) *entry {
	all := b.all()
	if len(all) == 0 {
		return nil
	}
	return all[int(at*float64(len(all)))]
}
