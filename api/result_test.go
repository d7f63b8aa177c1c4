package api_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// A server that stops lets nobody wait who does not have to.
func TestWaitsEndWhenTheServerStops(t *testing.T) {
	var events *event.Log
	url, _ := serveObeying(t, func(o *api.Options) { events = o.Events })
	id := submit(t, url, "delay=1h", "").ID
	begun := time.Now()
	replies := make(chan reply, 2)
	go func() { replies <- ask(t, "GET", url+"/v1/tasks/"+id+"/result?wait=50s", "") }()
	go func() { replies <- ask(t, "GET", url+"/v1/tasks/"+id+"/events", "") }()
	await(t, "both to wait", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return bytes.Contains(stacks, []byte("queue.(*Ending).Wait(")) && bytes.Contains(stacks, []byte("api.(*feed).next("))
	})
	events.Close()
	for range 2 {
		if r := <-replies; r.StatusCode != 202 && r.StatusCode != 200 {
			t.Errorf("%d %s", r.StatusCode, r.text)
		}
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("that took %v", took)
	}
}

// standing is a queue that knows one task, and refuses others in a way of its own.
type standing struct {
	api.Queue
	task    queue.Task
	refusal error
}

func (s standing) Task(context.Context, string, task.ID, store.Parts) (queue.Task, error) {
	return s.task, nil
}

func (s standing) Submit(_ context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	return []queue.Submitted{{Err: s.refusal}}, nil
}

func TestResultsThatAreGoneOrWereNeverThere(t *testing.T) {
	var q standing
	url, log := serveObeying(t, func(o *api.Options) { o.Queue = &q })
	q.task = queue.Task{Record: store.Record{Task: store.Task{ID: "7", Plugin: "obey"}, State: task.Succeeded, Output: []byte("out")}}
	if r := ask(t, "GET", url+"/v1/tasks/7/result", ""); r.StatusCode != 200 || r.text != "out" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	q.task.Expires = time.Now().Add(-time.Second)
	ask(t, "GET", url+"/v1/tasks/7/result", "").refused(t, 410, task.KindNotFound, "was kept until")

	q.task.State, q.task.Expires = task.Dead, time.Time{}
	ask(t, "GET", url+"/v1/tasks/7/result", "").refused(t, 500, task.KindInternal, "nothing is known of its attempts")
	q.task.Attempts = []store.Attempt{{Number: 3, CutOff: true}}
	r := ask(t, "GET", url+"/v1/tasks/7/result", "")
	if r.refused(t, 500, task.KindInternal, "attempt 3 was cut off"); r.Header.Get("Prism-Fuel") != "" {
		t.Errorf("headers %v", r.Header)
	}
	// Nobody is to try again what stays as it is, nor to look for it in the log.
	q.task.Attempts = []store.Attempt{{Number: 1, Kind: task.KindUnavailable, Message: "it was fenced", Version: 2, Log: []string{"l"}}}
	r = ask(t, "GET", url+"/v1/tasks/7/result", "")
	if r.refused(t, 503, task.KindUnavailable, "it was fenced"); r.Header.Get("Retry-After") != "" || !strings.Contains(r.text, `"task":"7"`) || !strings.Contains(r.text, `"log":["l"]`) {
		t.Errorf("%s, headers %v", r.text, r.Header)
	}
	if log.String() != "" {
		t.Errorf("the server complained:\n%s", log)
	}
	q.refusal = task.Faultf(task.KindBusy, "too many tasks wait")
	r = ask(t, "POST", url+"/v1/tasks?plugin=obey", "")
	if r.refused(t, 429, task.KindBusy, "too many"); r.Header.Get("Retry-After") != "1" {
		t.Errorf("without a measure, Retry-After is %q", r.Header.Get("Retry-After"))
	}
}
