package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

func TestSubmitSaysHowATaskIsToBeRun(t *testing.T) {
	c := serve(t, "POST /v1/tasks", func(w http.ResponseWriter, r *http.Request) {
		input, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		said, _ := json.Marshal(r.URL.RawQuery + " " + r.Header.Get("Idempotency-Key") + " " + string(input))
		fmt.Fprintf(w, `{"id":%s,"state":"scheduled","seen":true}`, said)
	})
	got, err := c.Submit(t.Context(), "resize", []byte("in"), client.SubmitOptions{})
	if err != nil || got.ID != "plugin=resize  in" || got.State != client.Scheduled || !got.Seen {
		t.Errorf("%+v, %v", got, err)
	}
	zero, seven := 0, 7
	got, err = c.Submit(t.Context(), "resize", nil, client.SubmitOptions{
		Function: "f", Version: "pinned", Priority: &seven, Delay: 90 * time.Second, At: time.Date(2027, 1, 31, 8, 0, 0, 5000, time.FixedZone("", 3600)),
		Retries: &zero, Backoff: time.Second, Timeout: 500 * time.Millisecond, Keep: time.Hour, Callback: "http://h/?a=b", Key: "k",
	})
	const want = "at=2027-01-31T08%3A00%3A00.000005%2B01%3A00&backoff=1s&callback=http%3A%2F%2Fh%2F%3Fa%3Db&delay=1m30s&function=f&keep=1h0m0s&plugin=resize&priority=7&retries=0&timeout=500ms&version=pinned k "
	if err != nil || got.ID != want {
		t.Errorf("%+v, %v, want %q", got, err, want)
	}
}

// answerTasks answers each line at once.
func answerTasks(answer func(w io.Writer, line string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(http.StatusAccepted)
		rc.Flush()
		for lines := bufio.NewReader(r.Body); ; rc.Flush() {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if answer(w, strings.TrimSuffix(line, "\n")) != nil {
				panic(http.ErrAbortHandler)
			}
		}
	}
}

// taken lists what a batch of tasks yields.
func taken(batch iter.Seq2[client.Submitted, error]) (all []string, last error) {
	for s, err := range batch {
		if p, ok := errors.AsType[*client.Problem](err); ok {
			all = append(all, fmt.Sprint("!", p.Kind, " ", p.Detail))
		} else if err != nil {
			last = err
		} else {
			all = append(all, fmt.Sprint(s.ID, " ", s.State))
		}
	}
	return all, last
}

func TestABatchOfTasksYieldsWhatBecameOfEach(t *testing.T) {
	came := make(chan string, 10)
	n := 0
	c := serve(t, "POST /v1/tasks/batch", answerTasks(func(w io.Writer, line string) error {
		came <- line
		n++
		switch {
		case strings.Contains(line, "full"):
			fmt.Fprintln(w, `{"error":{"kind":"busy","detail":"too many wait","status":429}}`)
		case strings.Contains(line, "break"):
			io.WriteString(w, `{"id":"hal`)
			return errors.New("enough")
		default:
			fmt.Fprintf(w, `{"id":"%d","state":"queued"}`+"\n", n)
		}
		return nil
	}))
	one := 1
	tasks := []client.Submission{
		{Plugin: "p", Input: []byte("a<b>\n\"c\"")},
		{Plugin: "q", Input: []byte("\xff\xfe"), SubmitOptions: client.SubmitOptions{
			Function: "f", Version: "2", Priority: &one, Delay: 1500 * time.Microsecond, Retries: &one, Backoff: time.Second, Timeout: time.Minute, Keep: time.Hour,
			Callback: "http://h", Key: "k", At: time.Date(2027, 1, 31, 8, 0, 0, 0, time.UTC),
		}},
		{Plugin: "full"},
		{Plugin: "p"},
		{Plugin: "break"},
		{Plugin: "p"},
	}
	all, err := taken(c.SubmitBatch(t.Context(), slices.Values(tasks)))
	if want := []string{"1 queued", "2 queued", "!busy too many wait", "4 queued"}; !errors.Is(err, io.ErrUnexpectedEOF) || !slices.Equal(all, want) {
		t.Errorf("%q, %v; want %q", all, err, want)
	}
	want := []string{
		`{"plugin":"p","input":"a<b>\n\"c\""}`,
		`{"plugin":"q","input_base64":"//4=","function":"f","version":"2","priority":1,"delay_ms":1.5,"at":"2027-01-31T08:00:00Z","retries":1,"backoff_ms":1000,"timeout_ms":60000,"keep_ms":3600000,"callback":"http://h","key":"k"}`,
		`{"plugin":"full","input":""}`, `{"plugin":"p","input":""}`, `{"plugin":"break","input":""}`,
	}
	for _, want := range want {
		if line := <-came; line != want {
			t.Errorf("sent was\n%s\nwant\n%s", line, want)
		}
	}

	refused := serve(t, "POST /v1/tasks/batch", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"kind":"unavailable","detail":"the disk is full"}`)
	})
	all, err = taken(refused.SubmitBatch(t.Context(), slices.Values(tasks)))
	if err != nil || !slices.Equal(all, []string{"!unavailable the disk is full"}) {
		t.Errorf("%q, %v", all, err)
	}
}

func TestABatchOfTasksThatIsNotTakenFurtherIsGivenUp(t *testing.T) {
	left, ended := make(chan struct{}), make(chan struct{})
	c := serve(t, "POST /v1/tasks/batch", func(w http.ResponseWriter, r *http.Request) {
		answerTasks(func(w io.Writer, _ string) error { fmt.Fprintln(w, `{"id":"1","state":"queued"}`); return nil })(w, r)
		close(left)
	})
	endless := func(yield func(client.Submission) bool) {
		defer close(ended)
		for yield(client.Submission{Plugin: "p"}) {
		}
	}
	for s, err := range c.SubmitBatch(t.Context(), endless) {
		if err != nil || s.ID != "1" {
			t.Fatalf("%+v, %v", s, err)
		}
		break
	}
	<-ended
	<-left
}

func TestATaskIsRead(t *testing.T) {
	c := serve(t, "GET /v1/tasks/{id}/{part...}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the "+r.PathValue("part")) })
	if input, err := c.Input(t.Context(), "7"); err != nil || string(input) != "the input" {
		t.Errorf("the input is %q, %v", input, err)
	}
	c = serve(t, "GET /v1/tasks/7", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"id":"7","state":"dead","plugin":"p","priority":4,"created_at":"2026-11-29T08:00:00Z","input_bytes":3,"retries":0,
			"attempts":[{"number":1,"duration_ms":2.5,"fuel":12,"fault":{"kind":"trap","detail":"unreachable","stack":["f"]},"log":["l"]}],"progress":{"done":1,"total":2}}`)
	})
	got, err := c.Task(t.Context(), "7")
	if err != nil || got.State != client.Dead || *got.Retries != 0 || got.Attempts[0].Fault.Kind != client.KindTrap || got.Attempts[0].Log[0] != "l" || got.Progress.Total != 2 || !got.DueAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAResultIsWaitedForOverAsManyRequestsAsItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := func(d time.Duration, status int, body string) func(*http.Request) (*http.Response, error) {
			return func(r *http.Request) (*http.Response, error) {
				time.Sleep(d)
				h := http.Header{"Prism-Version": {"2 9f2c1a7b3d4e"}, "Server-Timing": {"run;dur=1.5"}, "Prism-Fuel": {"12"}}
				return &http.Response{StatusCode: status, Request: r, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
			}
		}
		a := &answers{t: t, begun: time.Now(), steps: []func(*http.Request) (*http.Response, error){
			waits(time.Minute, 202, "{}"), waits(0, 202, "{}"), waits(10*time.Second, 200, "out"),
		}}
		c := newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}})
		r, err := c.Result(t.Context(), "7", 90*time.Second)
		if err != nil || string(r.Output) != "out" || r.Version != 2 || r.Fuel != 12 || r.Timing["run"] != 1500*time.Microsecond {
			t.Errorf("%+v, %v", r, err)
		}
		// One that answers at once is left alone for a moment.
		if want := []string{"wait=1m0s", "wait=30s", "wait=29s"}; !slices.Equal(a.asked, want) {
			t.Errorf("asked was %q, want %q", a.asked, want)
		}
		a.steps, a.asked = []func(*http.Request) (*http.Response, error){waits(0, 202, "{}")}, nil
		if _, err := c.Result(t.Context(), "7", 0); !errors.Is(err, client.ErrNotEnded) || a.asked[0] != "" {
			t.Errorf("without waiting: %v, asked %q", err, a.asked)
		}
		a.steps = []func(*http.Request) (*http.Response, error){waits(10*time.Second, 202, "{}")}
		if _, err := c.Result(t.Context(), "7", 10*time.Second); !errors.Is(err, client.ErrNotEnded) {
			t.Errorf("in vain: %v", err)
		}
		a.steps = []func(*http.Request) (*http.Response, error){refusal(422, `{"kind":"trap","detail":"unreachable","task":"7","status":422}`)}
		_, err = c.Result(t.Context(), "7", time.Second)
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Task != "7" || p.Kind != client.KindTrap {
			t.Errorf("of one that is dead: %v", err)
		}
	})
}

func TestTasksComePageByPage(t *testing.T) {
	c := serve(t, "GET /v1/tasks", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		before, _ := strconv.Atoi(q.Get("before"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		if q.Get("state") != "dead" || q.Get("plugin") != "p" {
			t.Errorf("asked is %s", r.URL)
		}
		var page struct {
			Tasks []client.Task `json:"tasks"`
			Next  string        `json:"next,omitempty"`
		}
		for n := before - 1; n > 0 && len(page.Tasks) < limit; n-- {
			page.Tasks = append(page.Tasks, client.Task{ID: strconv.Itoa(n)})
			if page.Next = ""; n > 1 {
				page.Next = fmt.Sprintf("/v1/tasks?state=dead&plugin=p&before=%d&limit=%d", n, limit)
			}
		}
		json.NewEncoder(w).Encode(page)
	})
	for limit, want := range map[int]int{0: 999, 1: 1, 200: 200, 450: 450, 5000: 999} {
		next := 999
		for task, err := range c.Tasks(t.Context(), client.TaskQuery{State: client.Dead, Plugin: "p", Before: "1000", Limit: limit}) {
			if err != nil || task.ID != strconv.Itoa(next) {
				t.Fatalf("%+v, %v, want %d", task, err, next)
			}
			next--
		}
		if 999-next != want {
			t.Errorf("with limit %d there are %d, want %d", limit, 999-next, want)
		}
	}
	for range c.Tasks(t.Context(), client.TaskQuery{State: client.Dead, Plugin: "p", Before: "1000"}) {
		break
	}
	away := serve(t, "GET /v1/tasks", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"tasks":[],"next":"http://elsewhere/"}`)
	})
	for _, err := range away.Tasks(t.Context(), client.TaskQuery{}) {
		if err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("another server is asked: %v", err)
		}
	}
}

func TestTasksAreCanceledAndSentAgain(t *testing.T) {
	c := serve(t, "DELETE /v1/tasks/7", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	if err := c.Cancel(t.Context(), "7"); err != nil {
		t.Error(err)
	}
	var asked string
	c = serve(t, "POST /v1/tasks/7/retry", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = fmt.Sprintf("%s|%s|%s|%d", r.URL.RawQuery, r.Header.Get("Content-Type"), body, r.ContentLength)
		w.WriteHeader(http.StatusAccepted)
	})
	three := 3
	for want, opts := range map[string]client.RetryOptions{
		"|||0":                            {},
		"|application/octet-stream||0":    {Input: &[]byte{}},
		"|application/octet-stream|new|3": {Input: new([]byte("new"))},
		"backoff=1s&callback=http%3A%2F%2Fh&function=f&keep=1h0m0s&retries=3&timeout=1ms|||0": {
			Function: "f", Retries: &three, Backoff: time.Second, Timeout: time.Millisecond, Keep: time.Hour, Callback: "http://h",
		},
	} {
		if err := c.Retry(t.Context(), "7", opts); err != nil || asked != want {
			t.Errorf("asked is %q, %v, want %q", asked, err, want)
		}
	}
	c = serve(t, "POST /v1/tasks/retry", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"retried":%d}`, len(r.URL.RawQuery)) })
	if n, err := c.RetryAll(t.Context(), client.Dead, "p"); err != nil || n != len("state=dead&plugin=p") {
		t.Errorf("%d, %v", n, err)
	}
}

func taskEvent(id, state string) string {
	return fmt.Sprintf("id: %[1]s\nevent: state\ndata: {\"id\":%[1]q,\"type\":\"state\",\"state\":%[2]q}\n\n", id, state)
}

func TestEventsOfATaskGoOnOverBrokenConnectionsUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(steps ...func(*http.Request) (*http.Response, error)) (ids, asked []string, err error) {
			a := &answers{t: t, begun: time.Now(), steps: steps}
			c := newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}})
			for e, err := range c.TaskEvents(t.Context(), "7") {
				if err != nil {
					return ids, a.asked, err
				}
				ids = append(ids, e.ID+" "+string(e.State))
			}
			return ids, a.asked, nil
		}
		nothing := func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		}
		// It had been dead once, which was not the end.
		begun := "retry: 1000\n\n" + taskEvent("0.1", "queued") + taskEvent("1.1", "running") + taskEvent("1.9", "dead") + taskEvent("1.10", "queued")
		ids, asked, err := run(stream(begun, io.ErrUnexpectedEOF), unreachable, stream(taskEvent("2.1", "running")+taskEvent("2.9", "succeeded"), io.EOF))
		if err != nil || len(ids) != 6 || ids[5] != "2.9 succeeded" || !slices.Equal(asked, []string{"", "1.10", "1.10"}) {
			t.Errorf("%q, %v, asked %q", ids, err, asked)
		}
		ids, _, err = run(stream(taskEvent("1.9", "succeeded"), io.ErrUnexpectedEOF), nothing)
		if err != nil || len(ids) != 1 {
			t.Errorf("cut off right after the end: %q, %v", ids, err)
		}
		ids, _, err = run(stream(taskEvent("1.1", "running"), io.EOF), refusal(404, `{"kind":"not_found","status":404}`))
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Kind != client.KindNotFound || len(ids) != 1 {
			t.Errorf("forgotten meanwhile: %q, %v", ids, err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range newClient(t, "http://127.0.0.1:1", client.Options{}).TaskEvents(ctx, "7") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("without time: %v", err)
		}
	}
}
