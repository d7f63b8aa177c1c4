package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

const deadTask = `{"id":"01KB3V8Q2M5Z0R3T7Y9W4N6C1E","state":"dead","plugin":"resize","function":"thumb","priority":4,"created_at":%[1]q,"ended_at":%[1]q,"expires_at":%[2]q,
	"retries":1,"timeout_ms":1500,"callback":"http://h/","input_bytes":2048,"attempts":[
	{"number":1,"begun_at":%[1]q,"ended_at":%[1]q,"duration_ms":2.5,"queue_ms":1,"run_ms":1.5,"version":2,"fuel":12,"cut_off":false,"fault":{"kind":"deadline","detail":"it took too long"}},
	{"number":2,"begun_at":%[1]q,"ended_at":%[1]q,"duration_ms":1234.5678,"queue_ms":0,"run_ms":1234.5,"version":2,"fuel":1300,"fault":{"kind":"trap","detail":"unreachable\nexecuted","stack":["main.handle","main.parse"]},"log":["one","two\u001b[2J"]}]}`

func aDeadTask() string {
	return fmt.Sprintf(deadTask, ago(3*time.Hour+10*time.Minute), ago(-30*24*time.Hour-time.Minute))
}

func TestTasksAreATable(t *testing.T) {
	rest := fmt.Sprintf(`{"id":"01KB3V8Q2M5Z0R3T7Y9W4N6C1D","state":"running","plugin":"resize","created_at":%[1]q,"attempts":[],"progress":{"done":3,"total":4,"message":"rows"}},
		{"id":"01KB3V8Q2M5Z0R3T7Y9W4N6C1C","state":"scheduled","plugin":"report","created_at":%[1]q,"due_at":%[2]q,"attempts":[]}`, ago(3*time.Hour+10*time.Minute), ago(-2*time.Hour-time.Minute))
	asked := ""
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/tasks": func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		answerJSON(200, `{"tasks":[`+aDeadTask()+`,`+rest+`]}`)(w, r)
	}})
	const want = "" +
		"TASK                         STATE       PLUGIN         SUBMITTED     ATTEMPTS     TOOK\n" +
		"01KB3V8Q2M5Z0R3T7Y9W4N6C1E   dead        resize/thumb   3 hours ago          2   1.235s   trap: unreachable\n" +
		"01KB3V8Q2M5Z0R3T7Y9W4N6C1D   running     resize         3 hours ago          0        -   3 of 4 (75%) rows\n" +
		"01KB3V8Q2M5Z0R3T7Y9W4N6C1C   scheduled   report         3 hours ago          0        -   due 2 hours from now\n"
	for _, command := range [][]string{{"tasks"}, {"tasks", "list"}, {"tasks", "--plugin", "resize", "--limit", "3"}} {
		if s.run(0, command...); s.out != want {
			t.Errorf("%v is\n%swant\n%s", command, s.out, want)
		}
	}
	s.run(0, "tasks", "list", "--state", "dead", "--plugin", "resize", "--limit", "7", "--before", "X")
	if asked != "before=X&limit=7&plugin=resize&state=dead" {
		t.Errorf("asked was %s", asked)
	}
	s.run(0, "tasks", "--json")
	var list struct{ Tasks []struct{ ID, State string } }
	if err := json.Unmarshal([]byte(s.out), &list); err != nil || len(list.Tasks) != 3 || list.Tasks[1].State != "running" {
		t.Errorf("as JSON: %s", s.out)
	}
	s.run(2, "tasks", "--state", "lost")
	s.run(2, "tasks", "--limit", "-1")
	s = newShell(t, map[string]http.HandlerFunc{"GET /v1/tasks": answerJSON(200, `{"tasks":[]}`)})
	s.run(0, "tasks")
	contains(t, s.out, "prismrt submit")
	s.run(0, "tasks", "--state", "dead")
	contains(t, s.out, "no such tasks")
	s.run(0, "tasks", "dead")
	contains(t, s.out, "no dead tasks")
	s.run(0, "tasks", "dead", "--json")
	contains(t, s.out, `"tasks": []`)
}

func TestDeadTasksAreListedWithTheirFaults(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/tasks": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("state") != "dead" {
			t.Errorf("asked was %s", r.URL)
		}
		answerJSON(200, `{"tasks":[`+aDeadTask()+`]}`)(w, r)
	}})
	s.run(0, "tasks", "dead")
	const want = "" +
		"TASK                         PLUGIN         DIED          ATTEMPTS   FAULT\n" +
		"01KB3V8Q2M5Z0R3T7Y9W4N6C1E   resize/thumb   3 hours ago          2   trap: unreachable\n"
	if s.out != want {
		t.Errorf("it is\n%swant\n%s", s.out, want)
	}
}

func TestATaskIsShownWithItsAttempts(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/tasks/7": answerJSON(200, aDeadTask())})
	s.run(0, "tasks", "show", "7")
	got := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(s.out, "(when)")
	const want = "task 01KB3V8Q2M5Z0R3T7Y9W4N6C1E: dead\n" +
		"  plugin     resize/thumb, the live version\n" +
		"  priority   4\n" +
		"  submitted  (when) (3 hours ago)\n" +
		"  ended      (when) (3 hours ago)\n" +
		"  kept until (when) (1 month from now)\n" +
		"  input      2.0 KiB\n" +
		"  asked for  1 retries, timeout 1.5s, callback http://h/\n" +
		"ATTEMPT   BEGUN     TOOK   WAITED      RAN   VERSION   INSTRUCTIONS   CAME TO\n" +
		"      1   (when)    2.5ms      1ms    1.5ms         2             12   deadline: it took too long\n" +
		"      2   (when)   1.235s       0s   1.235s         2           1300   trap: unreachable\n" +
		"trap: unreachable\nexecuted\n" +
		"  stack\n    main.handle\n    main.parse\n" +
		"  log\n    one\n    two\uFFFD[2J\n"
	squeeze := func(s string) string { return regexp.MustCompile(` +`).ReplaceAllString(s, " ") }
	if squeeze(got) != squeeze(want) {
		t.Errorf("it is\n%swant\n%s", got, want)
	}
	s.run(0, "tasks", "show", "7", "--json")
	contains(t, s.out, `"detail": "unreachable\nexecuted"`)
	s = newShell(t, map[string]http.HandlerFunc{"GET /v1/tasks/8": answerJSON(404, `{"status":404,"kind":"not_found","detail":"there is no task"}`)})
	s.run(1, "tasks", "show", "8")
	contains(t, s.err, "prismrt: not_found: there is no task")
}

func TestTheResultOfATaskIsPrintedOrAskedForLater(t *testing.T) {
	asked := ""
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/tasks/7/result": func(w http.ResponseWriter, r *http.Request) { asked = r.URL.RawQuery; echo(w, r) },
		"GET /v1/tasks/7/input":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in\x00put") },
		"GET /v1/tasks/8/input":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\xff\x00") },
		"GET /v1/tasks/8/result": answerJSON(202, `{"id":"8","state":"queued"}`),
		"GET /v1/tasks/9/result": answerJSON(410, `{"status":410,"kind":"canceled","detail":"the task was canceled","task":"9"}`),
	})
	s.run(0, "tasks", "result", "7", "--wait", "30s")
	if s.out != "|||" || !strings.HasPrefix(asked, "wait=") {
		t.Errorf("%q, asked %s", s.out, asked)
	}
	s.run(0, "tasks", "result", "7", "--json")
	contains(t, s.out, `"output": "|||"`, `"version": 2`, `"run_ms": 1.482`)
	if s.run(0, "tasks", "input", "7"); s.out != "in\x00put" {
		t.Errorf("the input is %q", s.out)
	}
	s.run(0, "tasks", "input", "7", "--json")
	contains(t, s.out, `"input": "in\u0000put"`)
	s.run(0, "tasks", "input", "8", "--json")
	contains(t, s.out, `"input_base64": "/wA="`)
	s.run(1, "tasks", "result", "8")
	contains(t, s.err, "has not ended", "--wait 1m", "prismrt tasks watch 8")
	s.run(1, "tasks", "result", "9")
	contains(t, s.err, "prismrt: canceled: the task was canceled", "  task 9\n")
	s.run(2, "tasks", "result", "9", "--wait", "-1s")
}

func TestTasksAreCanceledOneByOne(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"DELETE /v1/tasks/7": answerJSON(202, `{"id":"7","state":"canceled"}`),
		"DELETE /v1/tasks/8": answerJSON(409, `{"status":409,"kind":"conflict","detail":"the task has ended"}`),
	})
	if s.run(0, "tasks", "cancel", "7"); s.out != "7 is canceled\n" {
		t.Errorf("it says %q", s.out)
	}
	s.run(1, "tasks", "cancel", "8", "7")
	if s.out != "7 is canceled\n" || s.err != "8: conflict: the task has ended\nprismrt: 1 of 2 tasks were not canceled\n" {
		t.Errorf("it says %q and %q", s.out, s.err)
	}
	s.run(1, "tasks", "cancel", "8", "7", "--json")
	contains(t, s.out, `"kind": "conflict"`, `"state": "canceled"`)
	s.run(2, "tasks", "cancel")
}

func TestTasksAreSentAgain(t *testing.T) {
	var asked []string
	note := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, r.URL.Path+"?"+r.URL.RawQuery+" "+r.Header.Get("Content-Type")+" "+string(body))
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, answer)
		}
	}
	s := newShell(t, map[string]http.HandlerFunc{
		"POST /v1/tasks/{id}/retry": note(`{"id":"7","state":"queued"}`),
		"POST /v1/tasks/retry":      note(`{"retried":12}`),
	})
	s.run(0, "tasks", "retry", "7", "8")
	if s.out != "7 is queued\n8 is queued\n" {
		t.Errorf("it says %q", s.out)
	}
	s.stdin = "better"
	s.run(0, "tasks", "retry", "7", "--data", "-", "--timeout", "2s", "--retries", "0", "--function", "f")
	s.run(0, "tasks", "retry", "--all", "--plugin", "resize")
	if s.out != "12 tasks are sent again\n" {
		t.Errorf("it says %q", s.out)
	}
	s.run(0, "tasks", "retry", "--all", "--state", "canceled", "--json")
	contains(t, s.out, `"retried": 12`)
	want := []string{
		"/v1/tasks/7/retry?  ", "/v1/tasks/8/retry?  ", "/v1/tasks/7/retry?function=f&retries=0&timeout=2s application/octet-stream better",
		"/v1/tasks/retry?plugin=resize&state=dead  ", "/v1/tasks/retry?state=canceled  ",
	}
	if got := strings.Join(asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked was\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for _, misused := range [][]string{{}, {"7", "--all"}, {"--all", "--data", "x"}, {"7", "8", "--data", "x"}, {"7", "--plugin", "p"}, {"--all", "--state", "queued"}, {"7", "--timeout", "-1s"}} {
		s.run(2, append([]string{"tasks", "retry"}, misused...)...)
	}
}

func TestATaskIsWatchedToItsEnd(t *testing.T) {
	const events = "retry: 1000\n\n" +
		"id: 0.1\nevent: state\ndata: {\"id\":\"0.1\",\"time\":\"2026-11-29T08:00:00Z\",\"type\":\"state\",\"state\":\"queued\"}\n\n" +
		"id: 1.2\nevent: log\ndata: {\"id\":\"1.2\",\"time\":\"2026-11-29T08:00:00Z\",\"type\":\"log\",\"attempt\":1,\"level\":\"warn\",\"message\":\"hot\\u001b\"}\n\n" +
		"id: 1.2\nevent: progress\ndata: {\"id\":\"1.2\",\"time\":\"2026-11-29T08:00:00Z\",\"type\":\"progress\",\"attempt\":1,\"progress\":{\"done\":7,\"message\":\"rows\"}}\n\n" +
		"id: 1.9\nevent: state\ndata: {\"id\":\"1.9\",\"time\":\"2026-11-29T08:00:00Z\",\"type\":\"state\",\"attempt\":1,\"state\":%q,\"kind\":%q,\"message\":%q}\n\n"
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/tasks/7/events": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, events, "dead", "trap", "unreachable") },
		"GET /v1/tasks/8/events": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, events, "succeeded", "", "") },
	})
	s.run(1, "tasks", "watch", "7")
	contains(t, s.out, "state     queued\n", "log       warn  hot\uFFFD\n", "progress  7 rows\n", "state     dead, attempt 1, trap: unreachable\n")
	if s.err != "" {
		t.Errorf("it says %q, too", s.err)
	}
	s.run(0, "tasks", "watch", "8", "--json")
	if lines := strings.Split(s.out, "\n"); len(lines) != 5 || !json.Valid([]byte(lines[3])) {
		t.Errorf("as JSON: %s", s.out)
	}
}

func TestSubmitPrintsTheID(t *testing.T) {
	asked := ""
	s := newShell(t, map[string]http.HandlerFunc{
		"POST /v1/tasks": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = r.URL.RawQuery + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, `{"id":"7","state":"queued"}`)
		},
		"GET /v1/tasks/7/result": echo,
	})
	s.run(0, "submit", "resize", "--data", "photo")
	if s.out != "7\n" || s.err != "" || asked != "plugin=resize  photo" {
		t.Errorf("it says %q and %q, asked is %q", s.out, s.err, asked)
	}
	s.stdin = "in"
	s.run(0, "submit", "resize/thumb", "--version", "pinned", "--priority", "9", "--delay", "90s", "--retries", "0", "--backoff", "2s", "--timeout", "1s", "--keep", "1h",
		"--callback", "http://h/", "--idempotency-key", "k", "--json")
	const want = "backoff=2s&callback=http%3A%2F%2Fh%2F&delay=1m30s&function=thumb&keep=1h0m0s&plugin=resize&priority=9&retries=0&timeout=1s&version=pinned k in"
	if contains(t, s.out, `"id": "7"`); asked != want {
		t.Errorf("asked is %q, want %q", asked, want)
	}
	if s.run(0, "submit", "resize", "--at", "2027-01-31T08:00:00Z", "--function", "f"); asked != "at=2027-01-31T08%3A00%3A00Z&function=f&plugin=resize  in" {
		t.Errorf("asked is %q", asked)
	}
	if s.run(0, "submit", "resize", "--wait"); s.out != "|||" {
		t.Errorf("with its result it says %q", s.out)
	}
	s.run(0, "submit", "resize", "--wait", "--json")
	contains(t, s.out, `"output": "|||"`, `"fuel": 1234`)
	for _, misused := range [][]string{
		{"/f"},
		{"p/f", "--function", "g"},
		{"p", "--delay", "-1s"},
		{"p", "--delay", "1s", "--at", "2027-01-31T08:00:00Z"},
		{"p", "--at", "noon"},
		{"p", "--data", "@no/such/file"},
		{"p", "--batch", "no/such/file"},
		{"p", "--batch", "-", "--data", "x"},
		{"p", "--priority", "high"},
	} {
		s.run(2, append([]string{"submit"}, misused...)...)
	}
	s = newShell(t, map[string]http.HandlerFunc{"POST /v1/tasks": answerJSON(429, `{"status":429,"kind":"busy","detail":"too many tasks wait"}`)})
	s.run(1, "submit", "resize")
	contains(t, s.err, "prismrt: busy: too many tasks wait")
}

// takeLines answers each line of a batch with its number, or a fault for one that says so.
func takeLines(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex()
	w.WriteHeader(http.StatusAccepted)
	rc.Flush()
	in := bufio.NewScanner(r.Body)
	for n := 1; in.Scan(); n++ {
		var line struct{ Plugin, Input, Key, Function string }
		if err := json.Unmarshal(in.Bytes(), &line); err != nil || line.Plugin != "p" || line.Function != "f" {
			fmt.Fprintf(w, `{"error":{"kind":"internal","detail":%q}}`+"\n", in.Text())
			continue
		}
		if line.Input == "full" {
			fmt.Fprintln(w, `{"error":{"kind":"busy","status":429,"detail":"too many tasks wait"}}`)
			continue
		}
		fmt.Fprintf(w, `{"id":%q,"state":"queued"}`+"\n", line.Input+line.Key)
	}
}

func TestABatchOfTasksIsSubmittedLineByLine(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"POST /v1/tasks/batch": takeLines,
		"GET /v1/tasks/{id}/result": func(w http.ResponseWriter, r *http.Request) {
			switch id := r.PathValue("id"); id {
			case "trap":
				answerJSON(422, `{"status":422,"kind":"trap","detail":"unreachable","task":"trap"}`)(w, r)
			case "bytes":
				io.WriteString(w, "\xff")
			case "text":
				io.WriteString(w, "say <hi>")
			default:
				fmt.Fprintf(w, `{"of": %q}`, id)
			}
		},
	})
	s.stdin = "a\n\n \nb \"x\"\r\nfull\nc"
	s.run(1, "submit", "p/f", "--batch", "-")
	if s.out != "a\nb \"x\"\nc\n" || s.err != "task 3: busy: too many tasks wait\nprismrt: 1 of 4 tasks were not taken\n" {
		t.Errorf("it says %q and %q", s.out, s.err)
	}
	path := writeFile(t, t.TempDir(), "lines", "a\n\nb\n")
	if s.run(0, "submit", "p/f", "--batch", path, "--idempotency-key", "k"); s.out != "ak-1\nbk-3\n" || s.err != "" {
		t.Errorf("with keys it says %q and %q", s.out, s.err)
	}
	s.run(1, "submit", "p/f", "--batch", "-", "--json")
	if lines := strings.Split(s.out, "\n"); len(lines) != 5 || lines[0] != `{"id":"a","state":"queued"}` || !strings.HasPrefix(lines[2], `{"error":{"status":429,`) {
		t.Errorf("as JSON: %s", s.out)
	}
	s.stdin = "a\nbytes\ntext\ntrap\nfull\n"
	s.run(1, "submit", "p/f", "--batch", "-", "--wait")
	want := []string{`{"id":"a","output":{"of":"a"}}`, `{"id":"bytes","output_base64":"/w=="}`, `{"id":"text","output":"say <hi>"}`, `{"id":"trap","error":{"status":422,`, `{"error":{"status":429,`, ``}
	lines := strings.Split(s.out, "\n")
	for n, line := range want {
		if len(lines) != len(want) || !strings.HasPrefix(lines[n], line) {
			t.Fatalf("the results are\n%s\nwant\n%s", s.out, strings.Join(want, "\n"))
		}
	}
	contains(t, s.err, "2 of 5 tasks failed")
	s.stdin = strings.Repeat("full\n", 100)
	if s.run(1, "submit", "p/f", "--batch", "-"); strings.Count(s.err, "\n") != 12 || s.out != "" {
		t.Errorf("of many that fail it says %q and %q", s.out, s.err)
	}
	s = newShell(t, map[string]http.HandlerFunc{"POST /v1/tasks/batch": answerJSON(503, `{"status":503,"kind":"unavailable","detail":"the disk is full"}`)})
	s.stdin = "a\nb\n"
	s.run(1, "submit", "p/f", "--batch", "-")
	contains(t, s.err, "the disk is full")
}
