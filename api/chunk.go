package api

import (
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// A chunk is what runs on one loan of an instance, hence has as many items as take
	// about chunkTime, and at least one, but no more than mostItems or in mostBytes.
	chunkTime = 250 * time.Microsecond
	mostItems = 256
	mostBytes = 64 << 10

	// mostWaiting is how many bytes of answers a chunk has, give or take one, that were
	// not taken; it goes on once they are.
	mostWaiting = 256 << 10

	// For an output to be written in place there is as much room as the last one took, up
	// to mostRoom, and spare.
	mostRoom = 64 << 10
	spare    = 128
)

// chunk is some items of a stream that follow each other. One goroutine collects them,
// one runs them, and one takes the answers, also while they run.
type chunk struct {
	kept   *reuse.Item[*chunk] // what it is kept by
	stream *stream
	first  int64  // the number of its first item
	in     []byte // the inputs, one after another, and what has come of one that is not whole
	items  []item
	ids    string // of the items, one after another

	at   int           // the item that runs
	open []byte        // out, and the beginning of its answer
	room int           // bytes that its output is expected to take
	ran  time.Duration // all of them

	mu    sync.Mutex
	out   []byte // answers; only their goroutine changes them
	sent  int    // bytes of out that were taken
	full  bool   // it does not go on until all of out is taken
	ended bool

	news  chan struct{} // full or ended became true
	taken chan struct{} // full became false
}

// item is an input.
type item struct {
	end   int   // of it in the chunk's in
	id    int   // end of its id in the chunk's ids
	fault error // why it cannot run; nil: it can
}

// chunks keep at most as much memory as one needs whose answers wait.
var chunks = reuse.New("chunks", 2*mostBytes+mostWaiting+mostItems*itemBytes, func() *chunk {
	return &chunk{news: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
})

const itemBytes = int(unsafe.Sizeof(item{}))

func (s *stream) newChunk(first int64) *chunk {
	kept := chunks.Get()
	c := kept.Value
	c.kept, c.stream, c.first = kept, s, first
	return c
}

// free lets another stream have the chunk, whose answers were all taken.
func (c *chunk) free() {
	select {
	case <-c.news:
	default:
	}
	kept := c.kept
	clear(c.items)
	c.kept, c.stream, c.in, c.items, c.ids = nil, nil, c.in[:0], c.items[:0], ""
	c.at, c.open, c.room, c.ran = 0, nil, 0, 0
	c.out, c.sent, c.full, c.ended = c.out[:0], 0, false, false
	chunks.Put(kept, cap(c.in)+cap(c.out)+cap(c.items)*itemBytes)
}

// add makes an item of what has come since the last, or of a fault.
func (c *chunk) add(fault error) {
	c.items = append(c.items, item{end: len(c.in), fault: fault})
}

// end is where the last item ends.
func (c *chunk) end() int {
	if len(c.items) == 0 {
		return 0
	}
	return c.items[len(c.items)-1].end
}

func (c *chunk) isFull() bool {
	return len(c.items) >= c.stream.size() || c.end() >= mostBytes
}

// run answers all items, unless the stream ends first.
func (c *chunk) run() {
	s := c.stream
	c.name()
	for c.at < len(c.items) {
		if err := s.Invoker.Series(s.ctx, s.in, c.next, c.done); err != nil || !c.wait() {
			break
		}
	}
	s.learn(c.ran, len(c.items))

	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	signal(c.news)
}

// name gives each item an id: that of the stream, and its number. All are one string.
func (c *chunk) name() {
	var space [4 << 10]byte
	ids := space[:0]
	for n := range c.items {
		ids = append(append(ids, c.stream.in.ID...), '-')
		ids = strconv.AppendInt(ids, c.first+int64(n), 10)
		c.items[n].id = len(ids)
	}
	c.ids = string(ids)
}

func (c *chunk) id() task.ID {
	from := 0
	if c.at > 0 {
		from = c.items[c.at-1].id
	}
	return task.ID(c.ids[from:c.items[c.at].id])
}

// next gives the item whose turn it is, and answers for those that cannot run. There is
// none for now while much waits to be taken.
func (c *chunk) next(in *task.Invocation) bool {
	for ; c.at < len(c.items) && len(c.out) < mostWaiting; c.at++ {
		if fault := c.items[c.at].fault; fault != nil {
			c.fail(0, fault)
			continue
		}
		from, to := 0, c.items[c.at].end
		if c.at > 0 {
			from = c.items[c.at-1].end
		}
		c.open = c.stream.notation.begin(slices.Grow(c.out, c.room+spare))
		in.ID, in.Input, in.Buffer = c.id(), c.in[from:to:to], c.open[len(c.open):]
		if c.stream.traced != nil {
			in.Trace = c.stream.traced.Item()
		}
		return true
	}
	return false
}

// done answers for the item that has run.
func (c *chunk) done(result *task.Result, err error) {
	c.ran += result.Timing.Run
	c.stream.fuel.Add(result.Fuel)
	if err != nil {
		c.fail(result.Ref.Version, err)
	} else {
		// The output mostly lies there already.
		c.commit(c.stream.notation.end(append(c.open, result.Output...), len(c.out)))
		c.room = min(len(result.Output), mostRoom)
	}
	c.at++
}

func (c *chunk) fail(version int, err error) {
	s := c.stream
	s.faults.Add(1)
	p := s.problemOf(s.request, c.id(), err)
	p.Version = version
	c.commit(s.notation.fail(c.out, p.Kind, p.document()))
}

// commit lets answers be taken.
func (c *chunk) commit(out []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = out
}

// wait has the answers taken where items are left. It reports false when nobody will.
func (c *chunk) wait() bool {
	if c.at == len(c.items) {
		return true
	}
	c.mu.Lock()
	c.full = true
	c.emptyLocked() // all may have been taken while the last item ran
	signal(c.news)
	c.mu.Unlock()
	select {
	case <-c.taken:
		return true
	case <-c.stream.ctx.Done():
		return false
	}
}

// answers returns those that were not taken. They stay until took. Ready means that it is
// no use to wait for more, ended that there will be none.
func (c *chunk) answers() (b []byte, ready, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out[c.sent:], c.full || c.ended, c.ended
}

// took is told that n more bytes were taken.
func (c *chunk) took(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent += n
	c.emptyLocked()
}

// emptyLocked lets a chunk go on that waits, and has nothing left to be taken.
func (c *chunk) emptyLocked() {
	if c.full && c.sent == len(c.out) {
		c.out, c.sent, c.full = c.out[:0], 0, false
		signal(c.taken)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
