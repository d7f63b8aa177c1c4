package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store/volatile"
)

func TestSchedulesAreATable(t *testing.T) {
	asked := ""
	list := fmt.Sprintf(`{"schedules":[
		{"name":"nightly","spec":{"plugin":"report","function":"all","cron":"30 2 * * *","zone":"Europe/Berlin"},"fired_at":%q,"last_task":"01A","next_at":%q},
		{"name":"poll","spec":{"plugin":"fetch","every_ms":90000},"next_at":%q,"failure":"there is no plugin \"fetch\"\nindeed"},
		{"name":"still","spec":{"plugin":"fetch","cron":"@daily","paused":true}}]}`, ago(3*time.Hour+time.Minute), ago(-2*time.Hour-time.Minute), ago(-61*time.Second))
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/schedules": func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		answerJSON(200, list)(w, r)
	}})
	const want = "" +
		"SCHEDULE   PLUGIN       DUE                        LAST          NEXT\n" +
		"nightly    report/all   30 2 * * * Europe/Berlin   3 hours ago   2 hours from now\n" +
		"poll       fetch        every 1m30s                never         1 minute from now   there is no plugin \"fetch\"\n" +
		"still      fetch        @daily                     never         paused\n"
	for _, command := range [][]string{{"schedules"}, {"schedules", "list"}} {
		if s.run(0, command...); s.out != want {
			t.Errorf("%v is\n%swant\n%s", command, s.out, want)
		}
	}
	if s.run(0, "schedules", "--plugin", "fetch", "--json"); asked != "plugin=fetch" {
		t.Errorf("asked was %s", asked)
	}
	contains(t, s.out, `"every_ms": 90000`)
	s = newShell(t, map[string]http.HandlerFunc{"GET /v1/schedules": answerJSON(200, `{"schedules":[]}`)})
	s.run(0, "schedules")
	contains(t, s.out, "prismrt schedules put")
}

// taking is a queue that takes tasks and forgets them.
type taking struct{}

func (taking) Submit(_ context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	return make([]queue.Submitted, len(of)), nil
}

// scheduleServer is a shell before a server that keeps schedules.
func scheduleServer(t *testing.T) (*shell, *schedule.Keeper) {
	k, err := schedule.Open(t.Context(), schedule.Options{Store: volatile.New(), Queue: taking{}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.New(api.Options{Schedules: k, Monitor: monitor.New(monitor.Sources{}), BodyTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(server.Close)
	return &shell{t: t, url: server.URL, typed: true}, k
}

func TestASchedulesLife(t *testing.T) {
	s, k := scheduleServer(t)
	s.run(0, "schedules", "put", "nightly", "report/all", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--missed", "all", "--late", "36h", "--data", "say \"<hi>\"\n",
		"--priority", "7", "--retries", "0", "--backoff", "1s", "--timeout", "500ms", "--keep", "1h", "--callback", "https://example.com/", "--version", "pinned")
	contains(t, s.out, "nightly is due ", " from now\n")
	got, err := k.Get("default", "nightly")
	if err != nil {
		t.Fatal(err)
	}
	spec, input := got.Spec, ""
	if spec.Plugin != "report" || spec.Function != "all" || spec.Cron != "30 2 * * *" || spec.Zone != "Europe/Berlin" || spec.Missed != schedule.All || spec.LateMS != 36*3600*1000 ||
		*spec.Priority != 7 || *spec.Retries != 0 || spec.BackoffMS != 1000 || spec.TimeoutMS != 500 || spec.KeepMS != 3600_000 || spec.Callback != "https://example.com/" || spec.Version != "pinned" ||
		json.Unmarshal(spec.Input, &input) != nil || input != "say \"<hi>\"\n" {
		t.Errorf("it is %+v, with %q", spec, input)
	}
	s.run(0, "schedules", "show", "nightly", "--next", "2")
	shown := regexp.MustCompile(`\d{4}-\d\d-\d\d 02:30:00 CES?T \([^)]*\)`).ReplaceAllString(s.out, "(when)")
	const want = "schedule nightly: 30 2 * * * Europe/Berlin\n" +
		"  plugin   report/all\n" +
		"  input    11 B\n" +
		"  missed   all made up for, up to 36h0m0s later\n" +
		"  last     never\n" +
		"  next     (when)\n" +
		"           (when)\n"
	if shown != want {
		t.Errorf("shown is\n%swant\n%s", shown, want)
	}
	s.run(0, "schedules", "pause", "nightly")
	if got, _ := k.Get("default", "nightly"); s.out != "nightly is paused\n" || !got.Spec.Paused || string(got.Spec.Input) != string(spec.Input) {
		t.Errorf("%q: %+v", s.out, got)
	}
	if s.run(0, "schedules", "show", "nightly"); !strings.HasPrefix(s.out, "schedule nightly: 30 2 * * * Europe/Berlin, paused\n") {
		t.Errorf("shown is %q", s.out)
	}
	s.run(0, "schedules", "resume", "nightly")
	contains(t, s.out, "nightly is due ")

	// What is shown as JSON can be put again.
	file := filepath.Join(t.TempDir(), "nightly.json")
	if err := os.WriteFile(file, []byte(`{"plugin":"p","every_ms":60000,"input":{"a":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(0, "schedules", "put", "nightly", "--file", "@"+file, "--json")
	contains(t, s.out, `"every_ms": 60000`, `"next_at"`)
	if got, _ := k.Get("default", "nightly"); got.Spec.Plugin != "p" || string(got.Spec.Input) != `{"a":1}` || got.Spec.Cron != "" {
		t.Errorf("from a file it is %+v", got.Spec)
	}
	s.stdin, s.typed = "\xff\x00", false
	s.run(0, "schedules", "put", "bytes", "p", "--every", "15m")
	if got, _ := k.Get("default", "bytes"); string(got.Spec.InputBase64) != "\xff\x00" || got.Spec.EveryMS != 15*60*1000 {
		t.Errorf("with bytes it is %+v", got.Spec)
	}
	if s.run(0, "schedules", "rm", "nightly"); s.out != "nightly is forgotten\n" || len(k.List("default")) != 1 {
		t.Errorf("%q, there are %v", s.out, k.List("default"))
	}
	s.run(1, "schedules", "rm", "nightly")
	contains(t, s.err, "not_found", `no schedule "nightly"`)
	s.run(1, "schedules", "pause", "nightly")
	s.run(1, "schedules", "put", "odd", "p", "--cron", "61 * * * *", "--data", "")
	contains(t, s.err, "61")
}

func TestAScheduleIsSaidInOneWay(t *testing.T) {
	s := newShell(t, nil)
	s.typed = true
	for _, args := range [][]string{
		{"s"},
		{"s", "p"},
		{"s", "p", "--cron", "@daily", "--every", "1m"},
		{"s", "--cron", "@daily"},
		{"s", "p", "--every", "-1m"},
		{"s", "p", "--every", "1500us"},
		{"s", "p", "--file", "{}"},
		{"s", "--file", "{}", "--every", "1m"},
		{"s", "--file", `{"odd":1}`},
		{"s", "p", "--every", "1m", "--missed", "twice"},
	} {
		s.run(2, append([]string{"schedules", "put"}, args...)...)
	}
	s.run(2, "schedules", "show", "s", "--next", "101")
}
