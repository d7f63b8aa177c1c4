package api_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

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
	for path, possible := range map[string]string{"/v1/tasks": "GET, POST", "/v1/tasks/a%2Fb/result": "GET"} {
		put := ask(t, "PUT", url+path, "")
		if put.refused(t, 405, task.KindInvalid, "possible are "+possible); put.Header.Get("Allow") != possible {
			t.Errorf("Allow of %s is %q", path, put.Header.Get("Allow"))
		}
	}
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
