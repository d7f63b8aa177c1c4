package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

const aSchedule = `{"name":"nightly","namespace":"default","spec":{"plugin":"p","cron":"@daily","zone":"Europe/Berlin","input":{"a":1}},
	"created_at":"2026-11-29T10:00:00Z","updated_at":"2026-11-29T11:00:00Z","fired_at":"2026-11-29T23:00:00Z","last_task":"01A","next_at":"2026-11-30T23:00:00Z",
	"next":["2026-11-30T23:00:00Z"],"failure":"no room"}`

func TestASchedulesSpecIsSentAndTheScheduleRead(t *testing.T) {
	two := 2
	var sent map[string]any
	text := ""
	c := serve(t, "PUT /v1/schedules/nightly", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text = string(body)
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		io.WriteString(w, aSchedule)
	})
	got, err := c.PutSchedule(t.Context(), "nightly", client.ScheduleSpec{
		Plugin: "p", EveryMS: 1000, Missed: "all", LateMS: 5, Retries: &two, Input: json.RawMessage(`"<text>"`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent) != 6 || sent["every_ms"] != 1000.0 || sent["retries"] != 2.0 || sent["input"] != "<text>" || !strings.Contains(text, "<text>") {
		t.Errorf("sent is %v", sent)
	}
	if got.Name != "nightly" || got.Spec.Zone != "Europe/Berlin" || got.LastTask != "01A" || got.FiredAt.Hour() != 23 || len(got.Next) != 1 || got.Failure != "no room" ||
		!got.NextAt.Equal(time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC)) || string(got.Spec.Input) != `{"a":1}` {
		t.Errorf("read is %+v", got)
	}
}

func TestSchedulesAreListedShownAndDeleted(t *testing.T) {
	c := serve(t, "/v1/schedules/", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "GET /v1/schedules/nightly?next=7":
			io.WriteString(w, aSchedule)
		case "DELETE /v1/schedules/nightly":
			io.WriteString(w, `{"name":"nightly","deleted":true}`)
		default:
			t.Errorf("asked was %s %s", r.Method, r.URL)
		}
	})
	if s, err := c.Schedule(t.Context(), "nightly", 7); err != nil || s.Name != "nightly" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.DeleteSchedule(t.Context(), "nightly"); err != nil {
		t.Error(err)
	}
	c = serve(t, "GET /v1/schedules", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.RawQuery; q != "" && q != "plugin=p%26q" {
			t.Errorf("asked was %s", q)
		}
		io.WriteString(w, `{"schedules":[`+aSchedule+`]}`)
	})
	for _, plugin := range []string{"", "p&q"} {
		if all, err := c.Schedules(t.Context(), plugin); err != nil || len(all) != 1 || all[0].Spec.Plugin != "p" {
			t.Errorf("%+v, %v", all, err)
		}
	}
}
