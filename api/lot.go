package api

import (
	"context"
	"strconv"
	"unsafe"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// A lot has no more tasks, and no more bytes of them, give or take one.
	mostLot      = 1024
	mostLotBytes = 512 << 10

	// mostLine bounds a line of a batch of tasks, in bytes: an input and what is said of it.
	mostLine = 16 << 20
)

// lot is some tasks of an intake, which follow each other and are stored together.
type lot struct {
	kept  *reuse.Item[*lot] // what it is kept by
	first int64             // the number of its first item
	in    []byte            // items, and what has come of one that is not whole
	at    int               // where that begins
	tasks []queue.Submission
	items []fate
	out   []byte // the answers
}

// fate is what becomes of an item of a lot.
type fate struct {
	plugin string
	fault  error // why it is no task; nil: it is the next of the lot's tasks
}

const (
	taskBytes = int(unsafe.Sizeof(queue.Submission{}))
	fateBytes = int(unsafe.Sizeof(fate{}))
)

// lots keep what a lot of small tasks needs.
var lots = reuse.New("lots", 3*mostLotBytes+mostLot*(taskBytes+fateBytes), func() *lot { return new(lot) })

func newLot(first int64) *lot {
	kept := lots.Get()
	l := kept.Value
	l.kept, l.first = kept, first
	return l
}

// free lets another intake have the lot.
func (l *lot) free() {
	clear(l.tasks)
	clear(l.items)
	l.in, l.at, l.tasks, l.items, l.out = l.in[:0], 0, l.tasks[:0], l.items[:0], l.out[:0]
	kept := l.kept
	l.kept = nil
	lots.Put(kept, cap(l.in)+cap(l.out)+cap(l.tasks)*taskBytes+cap(l.items)*fateBytes)
}

// add makes a task of what has come since the last, by read.
func (l *lot) add(read func(item []byte, into *queue.Submission) error) {
	item := l.in[l.at:len(l.in):len(l.in)]
	l.at = len(l.in)
	l.tasks = append(l.tasks, queue.Submission{})
	of := &l.tasks[len(l.tasks)-1]
	err := read(item, of)
	l.items = append(l.items, fate{of.Plugin, err})
	if err != nil {
		l.tasks = l.tasks[:len(l.tasks)-1]
	}
}

// refuse adds an item of which is known no more than why it is no task.
func (l *lot) refuse(fault error) {
	l.in = l.in[:l.at]
	l.items = append(l.items, fate{fault: fault})
}

func (l *lot) isFull() bool { return len(l.items) >= mostLot || l.at >= mostLotBytes }

// store stores the tasks, and writes an answer to each item.
func (l *lot) store(ctx context.Context, t *intake) {
	var all []queue.Submitted
	var failed error // all of them
	if len(l.tasks) > 0 {
		all, failed = t.Queue.Submit(ctx, l.tasks)
	}
	next := 0
	for n := range l.items {
		err := l.items[n].fault
		if err == nil {
			if err = failed; err == nil {
				err = all[next].Err
			}
			if err == nil {
				l.out = t.notation.taken(l.out, &all[next])
			} else {
				err = refusedTask(err)
			}
			next++
		}
		if err != nil {
			p := t.problemOf(t.request, task.ID(string(t.request.id)+"-"+strconv.FormatInt(l.first+int64(n), 10)), err)
			p.Plugin = l.items[n].plugin
			l.out = t.notation.fail(l.out, p.Kind, p.document())
		}
	}
}
