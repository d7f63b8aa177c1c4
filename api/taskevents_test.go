package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// follow reads the events of a task up to the end: their types with what they tell, and ids.
func follow(t *testing.T, url, id string, headers ...string) (events, ids []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/tasks/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(resp.Status, resp.Header)
	}
	for r := bufio.NewReader(resp.Body); ; {
		lines, err := block(r)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			return events, ids
		}
		if !strings.HasPrefix(lines[0], "id: ") || len(lines) != 3 {
			continue
		}
		var e struct{ ID, Type, State, Kind, Message string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &e); err != nil || "id: "+e.ID != lines[0] || "event: "+e.Type != lines[1] {
			t.Fatalf("%q: %v", lines, err)
		}
		events, ids = append(events, strings.TrimSpace(e.Type+" "+e.State+" "+e.Kind)), append(ids, e.ID)
	}
}

func TestTheEventsOfATaskAreToldUntilItsEnd(t *testing.T) {
	url, _ := serveObeying(t)
	id := submit(t, url, "timeout=50ms&retries=1&backoff=1ms", "spin").ID
	want := []string{"state queued", "state running", "state failed deadline", "state running", "state dead deadline"}
	live, ids := follow(t, url, id)
	if !slices.Equal(live, want) {
		t.Errorf("while it runs: %q", live)
	}
	if again, others := follow(t, url, id); !slices.Equal(again, want) || !slices.Equal(others, ids) {
		t.Errorf("after its end: %q %v, before %v", again, others, ids)
	}
	if rest, _ := follow(t, url, id, "Last-Event-ID", ids[2]); !slices.Equal(rest, want[3:]) {
		t.Errorf("after the third event: %q", rest)
	}
	if r := ask(t, "GET", url+"/v1/tasks/"+id+"/events", "", "Last-Event-ID", ids[4]); r.StatusCode != http.StatusNoContent || r.text != "" {
		t.Errorf("after the last event: %d %q", r.StatusCode, r.text)
	}
	var all []struct {
		ID, Type, State string
		Attempt         int
	}
	ask(t, "GET", url+"/v1/tasks/"+id+"/events", "", "Accept", "application/json").into(t, 200, &all)
	if len(all) != 5 || all[4].State != "dead" || all[4].Attempt != 2 || all[0].ID != ids[0] {
		t.Errorf("as JSON: %+v", all)
	}
	if r := ask(t, "GET", url+"/v1/tasks/"+id+"/events?follow=false", ""); strings.Count(r.text, "event: state\n") != 5 {
		t.Errorf("without following: %s", r.text)
	}
	waits := submit(t, url, "delay=1h", "").ID
	if r := ask(t, "GET", url+"/v1/tasks/"+waits+"/events?follow=false", "", "Accept", "application/json"); !strings.Contains(r.text, `"scheduled"`) || strings.Count(r.text, `"id"`) != 1 {
		t.Errorf("of one that waits: %s", r.text)
	}
	ask(t, "GET", url+"/v1/tasks/"+id+"/events?follow=true", "", "Accept", "application/json").refused(t, 400, task.KindInvalid, "JSON tells of what is kept")
	ask(t, "GET", url+"/v1/tasks/"+id+"/events", "", "Last-Event-ID", "7").refused(t, 400, task.KindInvalid, "not the id of an event of a task")
}
