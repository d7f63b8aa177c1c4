package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/task"
)

// taskDoc is what is looked at of a task.
type taskDoc struct {
	ID, State, Plugin, Function, Callback string
	Version, Priority                     int
	Retries                               *int
	BackoffMS                             float64   `json:"backoff_ms"`
	TimeoutMS                             float64   `json:"timeout_ms"`
	CreatedAt                             time.Time `json:"created_at"`
	DueAt                                 time.Time `json:"due_at"`
	EndedAt                               time.Time `json:"ended_at"`
	ExpiresAt                             time.Time `json:"expires_at"`
	InputBytes                            int64     `json:"input_bytes"`
	OutputBytes                           int64     `json:"output_bytes"`
	Input                                 *string
	InputBase64                           *string `json:"input_base64"`
	Seen                                  bool
	Attempts                              []struct {
		Number, Version int
		DurationMS      float64 `json:"duration_ms"`
		Fuel            int64
		Fault           *struct {
			Kind, Detail string
			Stack        []string
		}
		Log []string
	}
}

// reply is an answer.
type reply struct {
	*http.Response
	text string
}

// ask makes a request. Headers come in pairs.
func ask(t *testing.T, method, url, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return reply{resp, string(b)}
}

// into decodes an answer that must have a status.
func (r reply) into(t *testing.T, status int, v any) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s: %d %s, want %d", r.Request.Method, r.Request.URL, r.StatusCode, r.text, status)
	}
	if err := json.Unmarshal([]byte(r.text), v); err != nil {
		t.Fatalf("%q: %v", r.text, err)
	}
}

// refused checks that an answer is a problem.
func (r reply) refused(t *testing.T, status int, kind task.Kind, says string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(r.text), &p); err != nil || r.StatusCode != status || p.Status != status || p.Kind != string(kind) || !strings.Contains(p.Detail, says) {
		t.Errorf("%s %s: %d %.500s, want %d, %s and %q", r.Request.Method, r.Request.URL, r.StatusCode, r.text, status, kind, says)
	}
}

// submit submits a task to obey, which must be taken.
func submit(t *testing.T, url, query, input string, headers ...string) taskDoc {
	t.Helper()
	var d taskDoc
	r := ask(t, "POST", url+"/v1/tasks?plugin=obey&"+query, input, headers...)
	r.into(t, http.StatusAccepted, &d)
	if d.ID == "" || r.Header.Get("Location") != "/v1/tasks/"+d.ID {
		t.Fatalf("task %q is at %q", d.ID, r.Header.Get("Location"))
	}
	return d
}

func show(t *testing.T, url, id string) (d taskDoc) {
	t.Helper()
	ask(t, "GET", url+"/v1/tasks/"+id+"?input=true", "").into(t, http.StatusOK, &d)
	return d
}

// serveObeying serves the plugin obey.
func serveObeying(t *testing.T, change ...func(*api.Options)) (url string, log fmt.Stringer) {
	url, log = serve(t, change...)
	upload(t, url, "obey", obeying(), "")
	return url, log
}

func TestATaskIsTakenAndRunAndItsResultIsKept(t *testing.T) {
	url, log := serveObeying(t)
	d := submit(t, url, "function=again&priority=7&retries=2&backoff=50ms&timeout=5s&keep=1h&callback=http://localhost/", "w hello",
		"Idempotency-Key", "first", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if d.State != "queued" {
		t.Errorf("it is %s", d.State)
	}
	r := ask(t, "GET", url+"/v1/tasks/"+d.ID+"/result?wait=30s", "")
	if r.StatusCode != 200 || r.text != "w hello" || r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the result is %d %q, %v", r.StatusCode, r.text, r.Header)
	}
	fuel, _ := strconv.Atoi(r.Header.Get("Prism-Fuel"))
	if !strings.HasPrefix(r.Header.Get("Prism-Version"), "1 ") || fuel < 100_000 || !strings.Contains(r.Header.Get("Server-Timing"), "run;dur=") {
		t.Errorf("headers %v", r.Header)
	}
	d = show(t, url, d.ID)
	if d.State != "succeeded" || d.Plugin != "obey" || d.Function != "again" || d.Priority != 7 || *d.Retries != 2 || d.BackoffMS != 50 || d.TimeoutMS != 5000 ||
		d.Callback != "http://localhost/" || d.InputBytes != 7 || d.OutputBytes != 7 || *d.Input != "w hello" || d.Version != 0 {
		t.Errorf("it is %+v", d)
	}
	if d.ExpiresAt.Sub(d.EndedAt) != time.Hour || d.EndedAt.Before(d.CreatedAt) {
		t.Errorf("created %v, ended %v, expires %v", d.CreatedAt, d.EndedAt, d.ExpiresAt)
	}
	if a := d.Attempts; len(a) != 1 || a[0].Number != 1 || a[0].Version != 1 || a[0].Fuel != int64(fuel) || a[0].DurationMS <= 0 || a[0].Fault != nil {
		t.Errorf("attempts %+v", a)
	}
	if r := ask(t, "GET", url+"/v1/tasks/"+d.ID+"/input", ""); r.StatusCode != 200 || r.text != "w hello" {
		t.Errorf("the input is %d %q", r.StatusCode, r.text)
	}
	if log.String() != "" {
		t.Errorf("the server complained:\n%s", log)
	}
}

func TestAnInputThatIsNoTextIsShownInBase64(t *testing.T) {
	url, _ := serveObeying(t)
	d := show(t, url, submit(t, url, "delay=1h", "\xff\xfe").ID)
	if d.Input != nil || d.InputBase64 == nil || *d.InputBase64 != "//4=" {
		t.Errorf("it is %+v", d)
	}
	var without map[string]any
	ask(t, "GET", url+"/v1/tasks/"+d.ID, "").into(t, 200, &without)
	if without["input"] != nil || without["input_base64"] != nil || without["input_bytes"] != 2. {
		t.Errorf("without being asked for it is %v", without)
	}
}

// awaitState waits until a task stands somewhere.
func awaitState(t *testing.T, url, id string, state task.State) (d taskDoc) {
	t.Helper()
	await(t, "a task to be "+string(state), func() bool { d = show(t, url, id); return d.State == string(state) })
	return d
}

func TestADeadTaskTellsWhyAndIsSentAgain(t *testing.T) {
	url, log := serveObeying(t)
	d := awaitState(t, url, submit(t, url, "", "trap").ID, task.Dead)
	if a := d.Attempts; len(a) != 1 || a[0].Fault == nil || a[0].Fault.Kind != "trap" || len(a[0].Fault.Stack) == 0 {
		t.Errorf("attempts %+v", a)
	}
	r := ask(t, "GET", url+"/v1/tasks/"+d.ID+"/result", "")
	r.refused(t, 422, task.KindTrap, "unreachable")
	if !strings.HasPrefix(r.Header.Get("Prism-Version"), "1 ") || r.Header.Get("Prism-Fuel") == "" {
		t.Errorf("headers %v", r.Header)
	}
	again := func(query, input string, headers ...string) {
		t.Helper()
		r := ask(t, "POST", url+"/v1/tasks/"+d.ID+"/retry?"+query, input, headers...)
		var queued taskDoc
		if r.into(t, 202, &queued); queued.ID != d.ID || queued.State != "queued" || r.Header.Get("Location") != "/v1/tasks/"+d.ID {
			t.Errorf("sent again it is %+v, %v", queued, r.Header)
		}
	}
	again("", "")
	await(t, "another attempt", func() bool { return len(show(t, url, d.ID).Attempts) == 2 })
	d = awaitState(t, url, d.ID, task.Dead)
	if *d.Input != "trap" {
		t.Errorf("its input is %q", *d.Input)
	}
	again("timeout=4s&function=again", "better")
	if d = awaitState(t, url, d.ID, task.Succeeded); *d.Input != "better" || d.TimeoutMS != 4000 || d.Function != "again" || len(d.Attempts) != 3 {
		t.Errorf("it is %+v", d)
	}
	ask(t, "POST", url+"/v1/tasks/"+d.ID+"/retry", "").refused(t, 409, task.KindConflict, "")

	d = awaitState(t, url, submit(t, url, "", "fail").ID, task.Dead)
	ask(t, "POST", url+"/v1/tasks/"+d.ID+"/retry?priority=1", "").refused(t, 400, task.KindInvalid, "unknown query parameter")
	ask(t, "POST", url+"/v1/tasks/"+d.ID+"/retry?retries=no", "").refused(t, 400, task.KindInvalid, "whole number")
	ask(t, "POST", url+"/v1/tasks/"+d.ID+"/retry", strings.Repeat("a", 1025)).refused(t, 413, task.KindTooLarge, "1KiB")
	again("", "", "Content-Type", "application/octet-stream")
	if d = awaitState(t, url, d.ID, task.Succeeded); d.InputBytes != 0 {
		t.Errorf("sent again with nothing it has %d bytes", d.InputBytes)
	}
	if log.String() != "" {
		t.Errorf("the server complained:\n%s", log)
	}
}

func TestAllDeadTasksAreSentAgain(t *testing.T) {
	url, _ := serveObeying(t)
	upload(t, url, "other", obeying(), "")
	for range 5 {
		awaitState(t, url, submit(t, url, "", "fail").ID, task.Dead)
	}
	canceled := submit(t, url, "delay=1h", "a").ID
	ask(t, "DELETE", url+"/v1/tasks/"+canceled, "")
	var n struct{ Retried int }
	ask(t, "POST", url+"/v1/tasks/retry?state=dead&plugin=other", "").into(t, 202, &n)
	if n.Retried != 0 {
		t.Errorf("of a plugin without any, %d were sent again", n.Retried)
	}
	if ask(t, "POST", url+"/v1/tasks/retry?plugin=obey", "").into(t, 202, &n); n.Retried != 5 {
		t.Errorf("%d were sent again", n.Retried)
	}
	if ask(t, "POST", url+"/v1/tasks/retry?state=canceled", "").into(t, 202, &n); n.Retried != 1 {
		t.Errorf("%d canceled ones were sent again", n.Retried)
	}
	awaitState(t, url, canceled, task.Succeeded)
	ask(t, "POST", url+"/v1/tasks/retry?state=running", "").refused(t, 400, task.KindInvalid, "state=dead")
	ask(t, "POST", url+"/v1/tasks/retry?state=lost", "").refused(t, 400, task.KindInvalid, "the states are")
}

func TestACanceledTaskIsOver(t *testing.T) {
	url, _ := serveObeying(t)
	for name, id := range map[string]string{
		"one that waits": submit(t, url, "delay=1h", "a").ID,
		"one that runs":  awaitState(t, url, submit(t, url, "", "spin").ID, task.Running).ID,
	} {
		t.Run(name, func(t *testing.T) {
			var d taskDoc
			if ask(t, "DELETE", url+"/v1/tasks/"+id, "").into(t, 202, &d); d.ID != id || d.State != "canceled" {
				t.Errorf("it is %+v", d)
			}
			if d := show(t, url, id); d.State != "canceled" {
				t.Errorf("it is %s", d.State)
			}
			ask(t, "GET", url+"/v1/tasks/"+id+"/result?wait=10s", "").refused(t, 410, task.KindCanceled, "sends it again")
			ask(t, "DELETE", url+"/v1/tasks/"+id, "").refused(t, 409, task.KindConflict, "")
		})
	}
}

func TestTasksAreListedNewestFirstPageByPage(t *testing.T) {
	url, _ := serveObeying(t)
	upload(t, url, "other", obeying(), "")
	var ids []string
	for range 25 {
		ids = append(ids, submit(t, url, "delay=1h", "a").ID)
	}
	slices.Reverse(ids)
	ask(t, "POST", url+"/v1/tasks?plugin=other&delay=1h", "")
	dead := awaitState(t, url, submit(t, url, "", "trap").ID, task.Dead).ID
	type page struct {
		Tasks []taskDoc
		Next  string
	}
	list := func(query string) (found []string) {
		t.Helper()
		for next, n := "/v1/tasks?"+query, 0; next != ""; n++ {
			var p page
			r := ask(t, "GET", url+next, "")
			if r.into(t, 200, &p); n > 10 {
				t.Fatal("there is always another page")
			}
			if link := r.Header.Get("Link"); p.Next != "" && link != "<"+p.Next+`>; rel="next"` || p.Next == "" && link != "" {
				t.Errorf("the link is %q and next %q", link, p.Next)
			}
			for _, d := range p.Tasks {
				if found = append(found, d.ID); d.Plugin == "" || d.State == "" || len(d.Attempts) > 0 && len(d.Attempts[0].Fault.Stack) > 0 {
					t.Errorf("in a list a task is %+v", d)
				}
			}
			next = p.Next
		}
		return found
	}
	for _, limit := range []string{"", "&limit=1000000", "&limit=10", "&limit=25", "&limit=5"} {
		if got := list("plugin=obey&state=scheduled" + limit); !slices.Equal(got, ids) {
			t.Errorf("by%s there are %d, want %d", limit, len(got), len(ids))
		}
	}
	if got := list("state=dead"); !slices.Equal(got, []string{dead}) {
		t.Errorf("dead are %v", got)
	}
	if got := list("limit=20"); len(got) != 27 {
		t.Errorf("there are %d in all", len(got))
	}
	if got := list("before=" + ids[20]); !slices.Equal(got, ids[21:]) {
		t.Errorf("%d are older than the fifth", len(got))
	}
	if r := ask(t, "GET", url+"/v1/tasks?state=queued", ""); r.text != `{"tasks":[]}`+"\n" {
		t.Errorf("none are %s", r.text)
	}
	ask(t, "GET", url+"/v1/tasks?state=lost", "").refused(t, 400, task.KindInvalid, "the states are")
	ask(t, "GET", url+"/v1/tasks?limit=0", "").refused(t, 400, task.KindInvalid, "from 1 on")
	ask(t, "GET", url+"/v1/tasks?schedule=x", "").refused(t, 400, task.KindInvalid, "unknown query parameter")
}

func TestAPluginIsNotForgottenWhileTasksWaitForIt(t *testing.T) {
	url, _ := serveObeying(t)
	var ids []string
	for range 30 {
		ids = append(ids, submit(t, url, "delay=1h", "a").ID)
	}
	ids = append(ids, awaitState(t, url, submit(t, url, "", "spin").ID, task.Running).ID)
	done := awaitState(t, url, submit(t, url, "", "a").ID, task.Succeeded).ID
	ask(t, "DELETE", url+"/v1/plugins/obey", "").refused(t, 409, task.KindConflict, "31 tasks of obey have not ended")
	if status, answer := do(t, "DELETE", url+"/v1/plugins/obey?force=true", nil); status != 204 {
		t.Fatal(status, answer)
	}
	for _, id := range ids {
		if d := show(t, url, id); d.State != "canceled" {
			t.Errorf("a task is %s", d.State)
		}
	}
	if r := ask(t, "GET", url+"/v1/tasks/"+done+"/result", ""); r.StatusCode != 200 || r.text != "a" {
		t.Errorf("a result is %d %s", r.StatusCode, r.text)
	}
	ask(t, "POST", url+"/v1/tasks?plugin=obey", "").refused(t, 404, task.KindNotFound, "no plugin")
}
