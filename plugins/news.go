package plugins

import (
	"fmt"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// publishUpload tells of a version that was stored.
func (c *Catalogue) publishUpload(v Version) {
	c.options.Publish(event.Event{Type: event.VersionUploaded, Ref: v.Ref, Data: event.Data(struct {
		Digest task.Digest `json:"digest"`
		Bytes  int64       `json:"bytes"`
		ABI    task.ABI    `json:"abi"`
	}{v.Digest, v.Bytes, v.ABI})})
}

// publishFailed tells of a stored version that cannot be loaded.
func (c *Catalogue) publishFailed(ref task.Ref, err error) {
	fault := task.FaultOf(err)
	c.options.Publish(event.Event{Type: event.VersionFailed, Ref: ref, Kind: fault.Kind, Message: fault.Message})
}

// publishRelease tells what is different in where p's calls go from how it was before.
func (c *Catalogue) publishRelease(p Plugin, before store.Release) {
	for _, e := range changes(p, before) {
		c.options.Publish(e)
	}
}

// changes are the events that lead from one release of a plugin to its present one, in
// the order in which they read best.
func changes(p Plugin, before store.Release) (events []event.Event) {
	r := p.Release
	if was := before.Canary; was != nil && (r.Canary == nil || r.Canary.Version != was.Version) {
		e := event.Event{
			Type: event.CanaryEnded, Ref: p.ref(was.Version), Data: event.Data(map[string]bool{"live": r.Live == was.Version}),
		}
		switch {
		case r.LastCanary != nil && r.LastCanary != before.LastCanary:
			e.Message = r.LastCanary.Reason
		case r.Canary != nil:
			e.Message = fmt.Sprintf("version %d shares the calls instead", r.Canary.Version)
		default:
			e.Message = fmt.Sprintf("version %d was made live", r.Live)
		}
		events = append(events, e)
	}
	if o := r.Takeover; o != nil && o != before.Takeover {
		events = append(events, event.Event{
			Type: event.VersionTookOver, Ref: p.ref(o.To), Message: fmt.Sprintf("version %d failed: %s", o.From, o.Reason),
			Data: event.Data(map[string]int{"from": o.From}),
		})
	}
	if r.Live != before.Live {
		events = append(events, event.Event{
			Type: event.VersionLive, Ref: p.ref(r.Live), Data: event.Data(map[string]int{"previous": before.Live}),
		})
	}
	if now, was := r.Canary, before.Canary; now != nil && (was == nil || now.Version != was.Version || now.Share != was.Share || now.Judge != was.Judge) {
		events = append(events, event.Event{Type: event.CanaryStarted, Ref: p.ref(now.Version), Data: event.Data(struct {
			Live  int     `json:"live"`
			Share float64 `json:"share"`
			Judge bool    `json:"judge"`
		}{r.Live, now.Share, now.Judge})})
	}
	return events
}
