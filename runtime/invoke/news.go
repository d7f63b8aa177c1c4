package invoke

import (
	"fmt"
	"sync"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/task"
)

// news is what is published of a version while it is deployed. What may happen with each
// call is a Burst for each sort of it.
type news struct {
	ref     task.Ref
	publish func(event.Event)

	faults map[task.Kind]*event.Burst
	deaths map[pool.Cause]*event.Burst
	births *event.Burst

	mu     sync.Mutex
	fenced bool // and that it is well again was not told yet
}

func newNews(ref task.Ref, publish func(event.Event)) *news {
	n := &news{
		ref: ref, publish: publish, births: event.NewBurst(publish),
		faults: make(map[task.Kind]*event.Burst, len(task.Kinds)), deaths: make(map[pool.Cause]*event.Burst),
	}
	for _, kind := range task.Kinds {
		n.faults[kind] = event.NewBurst(publish)
	}
	for _, cause := range []pool.Cause{pool.Spoilt, pool.Faulty, pool.Probe} {
		n.deaths[cause] = event.NewBurst(publish)
	}
	return n
}

// failed tells of a call that came to a fault. That a caller has left says nothing.
func (n *news) failed(id task.ID, err error) {
	fault := task.FaultOf(err)
	burst := n.faults[fault.Kind]
	if burst == nil || fault.Kind == task.KindCanceled {
		return
	}
	burst.Add(func() event.Event {
		e := event.Event{Type: event.CallFailed, Ref: n.ref, Kind: fault.Kind, RequestID: id, Message: fault.Message}
		if fault.Kind == task.KindBusy || fault.Kind == task.KindUnavailable {
			e.Type = event.CallRefused
		}
		return e
	})
}

// died tells of an instance that is not used any more, and why.
func (n *news) died(cause pool.Cause, id task.ID, why string) {
	n.deaths[cause].Add(func() event.Event {
		return event.Event{
			Type: event.InstanceDied, Ref: n.ref, RequestID: id, Message: why,
			Data: event.Data(map[string]pool.Cause{"cause": cause}),
		}
	})
}

// ended is told of each life that ended. Of those that are not as they should be, only
// the pool knows one sort.
func (n *news) ended(l pool.Life) {
	if l.Cause == pool.Faulty {
		n.died(l.Cause, "", fmt.Sprintf("instance %d came to faults of the server's own in a row; the server's log has their causes", l.ID))
	}
}

// unborn tells of an instance that could not be made.
func (n *news) unborn(err error) {
	n.births.Add(func() event.Event {
		fault := task.FaultOf(err)
		return event.Event{Type: event.InstanceFailed, Ref: n.ref, Kind: fault.Kind, Message: fault.Message}
	})
}

// fence tells that the version is fenced.
func (n *news) fence(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fenced = true
	n.publish(event.Event{Type: event.VersionFenced, Ref: n.ref, Message: why})
}

// tried tells, after a trial of a version that was fenced, that it is well again if it is.
func (n *news) tried(b *health.Breaker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fenced && b.Fenced() == "" {
		n.fenced = false
		n.publish(event.Event{Type: event.VersionResumed, Ref: n.ref, Message: "it went well when it was tried, and gets calls again"})
	}
}

// end tells what was only counted yet.
func (n *news) end() {
	for _, b := range n.faults {
		b.End()
	}
	for _, b := range n.deaths {
		b.End()
	}
	n.births.End()
}
