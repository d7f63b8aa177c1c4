package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
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

func TestWhoPrefersToWaitGetsTheResult(t *testing.T) {
	url, _ := serveObeying(t)
	r := ask(t, "POST", url+"/v1/tasks?plugin=obey", "hello", "Prefer", "respond-async, Wait=30;x=y")
	if r.StatusCode != 200 || r.text != "hello" || r.Header.Get("Preference-Applied") != "wait=30" || !strings.HasPrefix(r.Header.Get("Location"), "/v1/tasks/0") {
		t.Errorf("%d %q, %v", r.StatusCode, r.text, r.Header)
	}
	r = ask(t, "POST", url+"/v1/tasks?plugin=obey&delay=1h", "", "Prefer", "wait=1")
	var d taskDoc
	if r.into(t, 202, &d); d.State != "scheduled" || r.Header.Get("Preference-Applied") != "wait=1" || r.Header.Get("Retry-After") != "60" {
		t.Errorf("%+v, %v", d, r.Header)
	}
	r = ask(t, "POST", url+"/v1/tasks?plugin=obey&retries=0", "trap", "Prefer", "wait=500")
	var p struct {
		problem
		Task  string
		Stack []string
	}
	r.into(t, 422, &p)
	if p.Kind != "trap" || r.Header.Get("Location") != "/v1/tasks/"+p.Task || p.Version != 1 || len(p.Stack) == 0 || r.Header.Get("Preference-Applied") != "wait=60" {
		t.Errorf("of a task that failed: %+v, %v", p, r.Header)
	}
	for _, unread := range []string{"wait", "wait=soon", "wait=-1", "handling=lenient"} {
		if r := ask(t, "POST", url+"/v1/tasks?plugin=obey", "a", "Prefer", unread); r.StatusCode != 202 || r.Header.Get("Preference-Applied") != "" {
			t.Errorf("%q: %d, %v", unread, r.StatusCode, r.Header)
		}
	}
}

func TestATaskIsSubmittedOnceUnderItsKey(t *testing.T) {
	url, _ := serveObeying(t)
	first := submit(t, url, "delay=1h", "a", "Idempotency-Key", `"the key"`)
	again := submit(t, url, "delay=1h", "a", "Idempotency-Key", "the key", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if again.ID != first.ID || !again.Seen || first.Seen || again.State != "scheduled" {
		t.Errorf("%+v, then %+v", first, again)
	}
	ask(t, "POST", url+"/v1/tasks?plugin=obey&delay=1h", "b", "Idempotency-Key", "the key").refused(t, 409, task.KindConflict, "idempotency key")
	for _, keys := range [][]string{{"Idempotency-Key", ""}, {"Idempotency-Key", `""`}, {"Idempotency-Key", "a", "Idempotency-Key", "b"}} {
		ask(t, "POST", url+"/v1/tasks?plugin=obey", "b", keys...).refused(t, 400, task.KindInvalid, "Idempotency-Key")
	}
	ask(t, "POST", url+"/v1/tasks?plugin=obey", "b", "Idempotency-Key", strings.Repeat("k", 256)).refused(t, 400, task.KindInvalid, "key has 256 bytes")
}

func TestWhatCannotBeATaskIsRefused(t *testing.T) {
	url, _ := serveObeying(t)
	for query, c := range map[string]struct {
		status int
		kind   task.Kind
		says   string
	}{
		"":                                             {400, task.KindInvalid, "plugin=NAME"},
		"plugin=none":                                  {404, task.KindNotFound, `no plugin "none"`},
		"plugin=obey&version=7":                        {404, task.KindNotFound, "no version 7"},
		"plugin=obey&version=newest":                   {400, task.KindInvalid, "live, pinned or a number"},
		"plugin=obey&colour=red":                       {400, task.KindInvalid, `unknown query parameter "colour"`},
		"plugin=obey&retries=1&retries=2":              {400, task.KindInvalid, "retries twice"},
		"plugin=obey&retries=many":                     {400, task.KindInvalid, "whole number"},
		"plugin=obey&retries=101":                      {400, task.KindInvalid, "from 0 to 100"},
		"plugin=obey&priority=10":                      {400, task.KindInvalid, "priority is 10"},
		"plugin=obey&delay=5":                          {400, task.KindInvalid, "a unit, such as 500ms"},
		"plugin=obey&delay=-5s":                        {400, task.KindInvalid, "positive"},
		"plugin=obey&delay=9000h":                      {400, task.KindInvalid, "a year"},
		"plugin=obey&at=noon":                          {400, task.KindInvalid, "RFC 3339"},
		"plugin=obey&at=2027-01-31T08:00:00+01":        {400, task.KindInvalid, "RFC 3339"},
		"plugin=obey&delay=5s&at=2027-01-01T00:00:00Z": {400, task.KindInvalid, "one of them"},
		"plugin=obey&callback=ftp://h":                 {400, task.KindInvalid, "callback"},
		"plugin=%zz":                                   {400, task.KindInvalid, "cannot be read"},
		"plugin=obey;retries=1":                        {400, task.KindInvalid, "%3B"},
	} {
		ask(t, "POST", url+"/v1/tasks?"+query, "a").refused(t, c.status, c.kind, c.says)
	}
	ask(t, "POST", url+"/v1/tasks?plugin=obey", strings.Repeat("a", 1025)).refused(t, 413, task.KindTooLarge, "limits.input of obey, which is 1KiB")
	ask(t, "PUT", url+"/v1/tasks", "").refused(t, 405, task.KindInvalid, "possible are")
	for _, path := range []string{"", "/result", "/input", "/events"} {
		ask(t, "GET", url+"/v1/tasks/01KB000000000000000000000X"+path, "").refused(t, 404, task.KindNotFound, "no task")
	}
	ask(t, "GET", url+"/v1/tasks/01KB000000000000000000000X/result?wait=1s", "").refused(t, 404, task.KindNotFound, "no task")
	ask(t, "DELETE", url+"/v1/tasks/01KB000000000000000000000X", "").refused(t, 404, task.KindNotFound, "no task")
	ask(t, "POST", url+"/v1/tasks/01KB000000000000000000000X/retry", "").refused(t, 404, task.KindNotFound, "no task")
	ask(t, "GET", url+"/v1/tasks/x/result?wait=61s", "").refused(t, 400, task.KindInvalid, "1m0s at most")
	ask(t, "GET", url+"/v1/tasks/x/result?wait=30", "").refused(t, 400, task.KindInvalid, "a unit")
}

func TestATaskWaitsForItsTime(t *testing.T) {
	url, _ := serveObeying(t)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	d := show(t, url, submit(t, url, "at="+escaped(at.In(time.FixedZone("", 3600)).Format(time.RFC3339)), "a").ID)
	if d.State != "scheduled" || !d.DueAt.Equal(at) {
		t.Errorf("it is %s, due at %v, want %v", d.State, d.DueAt, at)
	}
	r := ask(t, "GET", url+"/v1/tasks/"+d.ID+"/result", "")
	var waiting taskDoc
	if r.into(t, 202, &waiting); waiting.State != "scheduled" || r.Header.Get("Retry-After") != "60" {
		t.Errorf("%+v, %v", waiting, r.Header)
	}
}

func escaped(s string) string { return url.QueryEscape(s) }

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

// queued makes a server with a queue of other options.
func queued(t *testing.T, change func(*queue.Options)) (url string) {
	url, _ = serveObeying(t, func(o *api.Options) {
		of := queueOptions(o.Catalogue, o.Invoker.(*invoke.Invoker), o.Log)
		change(&of)
		o.Queue = queue.New(of)
	})
	return url
}

func TestTooManyTasksAreRefusedWithAWaitToTryAgain(t *testing.T) {
	url := queued(t, func(o *queue.Options) { o.MostOfPlugin = 2 })
	submit(t, url, "delay=1h", "")
	submit(t, url, "delay=1h", "")
	r := ask(t, "POST", url+"/v1/tasks?plugin=obey", "a")
	r.refused(t, 429, task.KindBusy, "too many")
	if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || n < 1 {
		t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
	}
	lines := strings.Split(ask(t, "POST", url+"/v1/tasks/batch?plugin=obey", "{}\n", "Content-Type", ndjson).text, "\n")
	if !strings.Contains(lines[0], `"status":429`) || !strings.Contains(lines[0], `"kind":"busy"`) {
		t.Errorf("a line is answered with %s", lines[0])
	}
}

func TestADiskThatIsFullIsSaid(t *testing.T) {
	faulty := storetest.NewFaulty(volatile.New(), storetest.Faults{Share: 1e-300})
	url := queued(t, func(o *queue.Options) { o.Store = faulty })
	submit(t, url, "delay=1h", "")
	faulty.Refuse(store.ErrFull)
	r := ask(t, "POST", url+"/v1/tasks?plugin=obey", "a")
	if r.refused(t, 503, task.KindUnavailable, "the disk is full"); r.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
	}
	r = ask(t, "POST", url+"/v1/tasks/batch?plugin=obey", "{}\n{}\n{\"colour\":1}\n", "Content-Type", ndjson)
	if lines := strings.Split(strings.TrimSpace(r.text), "\n"); r.StatusCode != 202 || len(lines) != 3 || !strings.Contains(lines[1], "the disk is full") || !strings.Contains(lines[2], "colour") {
		t.Errorf("a batch is answered with %d %s", r.StatusCode, r.text)
	}
	faulty.Refuse(nil)
	submit(t, url, "delay=1h", "")
}

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
