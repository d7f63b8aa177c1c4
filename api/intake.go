package api

import (
	"context"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// submitBatch takes a stream of tasks, and answers each once it is stored, in the same
// order.
func (s *server) submitBatch(w http.ResponseWriter, r *request) error {
	t, err := s.openIntake(w, r)
	if err != nil {
		refuseStream(w)
		return err
	}
	if r.Header.Get("Expect") != "" {
		// Once there is a status, net/http no longer says this by itself.
		w.WriteHeader(http.StatusContinue)
	}
	header := w.Header()
	header.Set("Content-Type", t.mediaType)
	header["X-Content-Type-Options"] = nosniff
	w.WriteHeader(http.StatusAccepted)
	if !t.serve(w) {
		// The client has left, or is not to take what it got for all there is.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// intake is a batch of tasks under way. One goroutine reads blocks of its body, one makes
// lots of them, one stores these, and the handler's own writes the answers. One lot is
// stored at a time, so that the tasks are submitted in the order of the stream, and what
// comes meanwhile is the next (RATIONALE.md, "Why does a stream of tasks store one lot at
// a time?"). What is read is bounded by blocks and lots, hence by how fast tasks are stored
// and the client takes its answers.
type intake struct {
	*server
	*duplex

	mediaType string
	notation  taskNotation
	splitter  splitter
	read      func(item []byte, into *queue.Submission) error
	limit     int // bytes of an item
	tooLarge  *task.Fault

	filling  *lot
	lost     bool          // items are not looked for any more
	whole    bool          // all of the body was read, set when full is closed
	idle     chan struct{} // whoever stores lots waits for one
	full     chan *lot     // that is stored now
	answered chan *lot
}

// taskNotation is how tasks are told apart, and how answers are written.
type taskNotation interface {
	notation

	// taken appends the answer to a task that was stored.
	taken(dst []byte, of *queue.Submitted) []byte
}

// taskNotations are those there are, by media type.
var taskNotations = map[string]taskNotation{
	"application/x-ndjson":         ndjson{},
	"application/vnd.prism.frames": framed{},
}

func (ndjson) taken(dst []byte, of *queue.Submitted) []byte {
	return append(appendSubmitted(dst, of), '\n')
}

// taken writes the id as an output.
func (f framed) taken(dst []byte, of *queue.Submitted) []byte {
	start := len(dst)
	return f.end(append(f.begin(dst), of.ID...), start)
}

// openIntake makes the intake that a request asks for, if it can be.
func (s *server) openIntake(w http.ResponseWriter, r *request) (*intake, error) {
	query := queue.Submission{Namespace: namespace}
	query.Terms.Trace = traceparent(r.Header)
	if err := setSubmission(&query, r.URL.RawQuery); err != nil {
		return nil, err
	}
	var err error
	if query.Terms.Session, err = sessionOf(r.Header); err != nil {
		return nil, err
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	how := taskNotations[mediaType]
	if how == nil {
		return nil, &httpFault{http.StatusUnsupportedMediaType, task.Faultf(task.KindInvalid, "the Content-Type of a batch is %s; this one is %.80q",
			strings.Join(slices.Sorted(maps.Keys(taskNotations)), " or "), mediaType)}
	}
	t := &intake{
		server: s, mediaType: mediaType, notation: how, splitter: how.splitter(),
		filling: newLot(1), idle: make(chan struct{}, 1), full: make(chan *lot, 1), answered: make(chan *lot, 1),
	}
	if err := t.expect(&query); err != nil {
		return nil, err
	}
	t.duplex, err = newDuplex(w, r, s.BodyTimeout, s.BodyTimeout)
	return t, err
}

// expect says how items are read: lines say of themselves what the query does not, frames
// are inputs and no more.
func (t *intake) expect(query *queue.Submission) error {
	if _, ok := t.notation.(ndjson); ok {
		lines := &taskLines{query: *query}
		t.read, t.limit = lines.read, mostLine
		t.tooLarge = task.Faultf(task.KindTooLarge, "the line is over %v; submit a task that large by itself, to /v1/tasks", task.Bytes(mostLine))
		return nil
	}
	if query.Plugin == "" {
		return task.Faultf(task.KindInvalid, "which plugin is to run the tasks? Frames are inputs alone; add plugin=NAME to the query")
	}
	limit, err := t.inputLimit(query.Plugin, query.Version)
	if err != nil {
		return err
	}
	t.read = func(item []byte, into *queue.Submission) error {
		*into = *query
		into.Input = item
		return nil
	}
	t.limit = int(limit)
	t.tooLarge = task.Faultf(task.KindTooLarge, "the input is over limits.input, which is %v; raise the limit in the manifest, or send less", limit)
	return nil
}

// serve answers all items and reports whether that was all there was to do.
func (t *intake) serve(w http.ResponseWriter) bool {
	defer t.begin()()
	t.parts.Go(t.split)
	t.parts.Go(t.store)
	err := t.write(w)
	whole := err == nil && t.whole
	t.end(err, whole)
	return whole
}

// split makes lots of blocks until there are no more.
func (t *intake) split() {
	defer close(t.full)
	for !t.lost {
		block, ok := t.block()
		if !ok {
			break
		}
		if !t.cut(block) {
			return
		}
		t.unused <- block[:cap(block)]
	}
	if t.lost && (!t.hand() || !t.drop()) || t.ctx.Err() != nil || t.broke == nil {
		return // the stream is given up
	}
	t.finish()
	t.whole = t.broke == io.EOF //nolint:errorlint // the end is never wrapped
	if len(t.filling.items) > 0 {
		t.hand()
	}
}

// block waits for more to split. What has been split does not wait for it once it can be
// stored.
func (t *intake) block() (b []byte, ok bool) {
	for {
		var idle chan struct{}
		if len(t.filling.items) > 0 {
			idle = t.idle
		}
		select {
		case b, ok = <-t.blocks:
			return b, ok
		case <-idle:
			t.pass()
		}
	}
}

// cut finds the items in a block. It reports false when the intake is given up.
func (t *intake) cut(block []byte) bool {
	for len(block) > 0 && !t.lost {
		into := t.filling
		grown, used, how := t.splitter.take(into.in, block, t.limit)
		into.in, block = grown, block[used:]
		t.add(how)
		if into.isFull() && !t.hand() {
			return false
		}
	}
	return true
}

// add adds the item that has ended, if one has.
func (t *intake) add(how cut) {
	switch how {
	case cutMore:
	case cutWhole:
		t.filling.add(t.read)
	case cutTooLarge:
		t.filling.refuse(t.tooLarge)
	case cutShort:
		t.filling.refuse(task.Faultf(task.KindInvalid, "the stream ended in the middle of an input: it lacks %s", t.splitter.missing()))
	case cutLost:
		t.lost = true
		t.filling.refuse(task.Faultf(task.KindTooLarge, "%s; what comes after it is not looked for, since it is over %v, too", t.tooLarge.Message, task.Bytes(mostSkipped)))
	}
}

// finish adds what there is to say at the end.
func (t *intake) finish() {
	into := t.filling
	switch {
	case t.lost:
	case t.broke == io.EOF: //nolint:errorlint // the end is never wrapped
		var how cut
		into.in, how = t.splitter.end(into.in, t.limit)
		t.add(how)
	default:
		into.refuse(bodyFault(t.broke, nil))
	}
}

// hand has the lot stored, once the one before is. It reports false when the intake is given
// up.
func (t *intake) hand() bool {
	select {
	case <-t.idle:
		t.pass()
		return true
	case <-t.ctx.Done():
		return false
	}
}

// pass passes the lot on, to who is idle, and begins another with what has come of the next
// item.
func (t *intake) pass() {
	l := t.filling
	t.filling = newLot(l.first + int64(len(l.items)))
	t.filling.in = append(t.filling.in, l.in[l.at:]...)
	t.full <- l
}

// store stores lots, one after another.
func (t *intake) store() {
	defer close(t.answered)
	for {
		t.idle <- struct{}{}
		l, ok := <-t.full
		if !ok {
			return
		}
		l.store(t.ctx, t)
		select {
		case t.answered <- l:
		case <-t.ctx.Done():
			return
		}
	}
}

// write sends answers, as soon as there are no more to add.
func (t *intake) write(w http.ResponseWriter) error {
	for {
		var l *lot
		var ok bool
		select {
		case l, ok = <-t.answered:
		default:
			if err := t.flush(); err != nil {
				return err
			}
			select {
			case l, ok = <-t.answered:
			case <-t.ctx.Done():
				return context.Cause(t.ctx)
			}
		}
		if !ok {
			return t.flush()
		}
		t.hurry()
		if _, err := w.Write(l.out); err != nil {
			return err
		}
		l.free()
	}
}
