package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// serve puts all the parts together in this process, for the race detector.
func serve(t testing.TB, change ...func(*api.Options)) (url string, log *bytes.Buffer) {
	dir := t.TempDir()
	log = new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "prismrt.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	modules, err := blob.Open(filepath.Join(dir, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	var e *engine.Engine
	profiles := profile.New(profile.Options{Lines: func(d task.Digest) func(uint64) (string, int) { return e.Lines(d) }})
	e, err = engine.New(t.Context(), engine.Options{
		Sampler:  func(v task.Version) engine.Sampler { return profiles.Recorder(v) },
		CacheDir: filepath.Join(dir, "code"), Hosts: []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits}, {Name: prism.Module, Instantiate: prism.Instantiate}}, Log: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	events := event.New(event.Options{})
	var i *invoke.Invoker
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return i.Pools() }, Guests: func() monitor.Guests { return monitor.Guests(e.Stats()) },
		Scheduler: func() monitor.Scheduler { return i.Scheduler() },
	})
	var c *plugins.Catalogue
	i = invoke.New(invoke.Options{
		Engine: e, Monitor: m, Pool: invoke.Pool{Waiting: 100}, Log: logger,
		Forgotten: profiles.Forget, Publish: events.Publish,
		Fenced: func(ref task.Ref, why string) { c.TakeOver(context.Background(), ref, why) },
	})
	limits := task.Limits{Memory: 1 << 20, Timeout: task.Duration(10 * time.Second), Fuel: 1e12, Stack: 1 << 20, Input: 1 << 10, Output: 1 << 16}
	c, err = plugins.Open(t.Context(), plugins.Options{
		Store: db, Modules: modules, Runner: i, Hosts: e, Code: e, Publish: events.Publish, Log: logger,
		Defaults: plugins.Defaults{Limits: limits, MaxLimits: limits, Max: 4, MaxMax: 4},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := queue.New(queueOptions(c, i, logger))
	o := api.Options{
		Catalogue: c, Invoker: i, Monitor: m, Queue: q, Profiles: profiles, Events: events, Unready: func() []string { return nil },
		MaxModule: 1 << 20, MaxManifest: 1 << 10, BodyTimeout: time.Minute, Log: logger,
	}
	for _, f := range change {
		f(&o)
	}
	if own, ok := o.Queue.(*queue.Queue); ok {
		q = own
	}
	running, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- q.Run(running) }()
	server := httptest.NewServer(api.New(o))
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s != (engine.Stats{}) {
			t.Errorf("after Close there is %+v", s)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL, log
}

// queueOptions are for a queue in memory.
func queueOptions(c *plugins.Catalogue, i *invoke.Invoker, log *slog.Logger) queue.Options {
	return queue.Options{
		Store: volatile.New(), Runner: i, Log: log,
		Policy: func(namespace, plugin string) (queue.Policy, error) {
			_, err := c.Plugin(namespace, plugin)
			return queue.Policy{}, err
		},
		Resolve: func(namespace, plugin, version string) (int, task.Digest, error) {
			p, err := c.Plugin(namespace, plugin)
			if err != nil {
				return 0, "", err
			}
			number := p.Live
			if version != "pinned" {
				number, _ = strconv.Atoi(version)
			}
			v, err := p.Version(number)
			return number, v.Digest, err
		},
	}
}

// telling is a module whose handler answers four digits.
func telling(number int) []byte {
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		[]byte{1, 10, 2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f},
		[]byte{2, 22, 1, 5}, []byte("prism"), []byte{12}, []byte("output_write"), []byte{0, 0},
		[]byte{3, 2, 1, 1, 5, 3, 1, 0, 1},
		[]byte{7, 19, 2, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("handle"), []byte{0, 1},
		[]byte{10, 12, 1, 10, 0, 0x41, 0, 0x41, 4, 0x10, 0, 0x41, 0, 0x0b},
		[]byte{11, 10, 1, 0, 0x41, 0, 0x0b, 4}, fmt.Appendf(nil, "%04d", number),
	)
}

func do(t *testing.T, method, url string, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

func TestHammer(t *testing.T) {
	url, log := serve(t)
	allowed := func(what string, status int, answer string, among ...int) {
		t.Helper()
		if !slices.Contains(among, status) {
			t.Errorf("%s: %d %s, want one of %v", what, status, answer, among)
		}
	}
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for range 60 {
				plugin := fmt.Sprintf("%s/v1/plugins/p%d", url, rand.IntN(3))
				switch rand.IntN(8) {
				case 0:
					status, answer := do(t, "PUT", plugin, telling(rand.IntN(20)))
					allowed("upload", status, answer, 200, 201)
				case 1:
					status, answer := do(t, "POST", plugin+"/live", fmt.Appendf(nil, `{"version": %d}`, 1+rand.IntN(3)))
					allowed("live", status, answer, 200, 404)
					status, answer = do(t, "POST", plugin+"/live", fmt.Appendf(nil, `{"version": %d, "share": 0.3, "judge": true}`, 1+rand.IntN(3)))
					allowed("share", status, answer, 200, 404, 409)
				case 2:
					if g == 0 {
						status, answer := do(t, "DELETE", plugin, nil)
						allowed("delete", status, answer, 204, 404)
					}
				case 3:
					status, answer := do(t, "GET", plugin, nil)
					allowed("show", status, answer, 200, 404)
					do(t, "GET", url+"/v1/plugins", nil)
					do(t, "GET", url+"/v1/stats", nil)
					do(t, "GET", url+"/metrics", nil)
				default:
					status, answer := do(t, "POST", plugin+"/invoke", nil)
					allowed("invoke", status, answer, 200, 404)
					if status == 200 && (len(answer) != 4 || !strings.HasPrefix(answer, "00")) {
						t.Errorf("answer %q", answer)
					}
				}
			}
		})
	}
	wg.Wait()
	if log.Len() > 0 {
		t.Errorf("the server complained:\n%s", log)
	}
}

// refusing is an invoker whose calls end with a fault.
type refusing struct {
	api.Invoker
	fault *task.Fault
}

func (refusing) Limits(context.Context, string, string) (task.Limits, error) {
	return task.Limits{Input: 1}, nil
}

func (r refusing) Invoke(context.Context, task.Invocation) (task.Result, error) {
	return task.Result{}, r.fault
}

func TestARefusalSaysWhenToTryAgain(t *testing.T) {
	for after, want := range map[time.Duration]string{
		0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60",
	} {
		f := task.Faultf(task.KindUnavailable, "it is fenced")
		f.RetryAfter = after
		h := api.New(api.Options{Invoker: refusing{fault: f}, Monitor: monitor.New(monitor.Sources{}), Log: slog.New(slog.DiscardHandler)})
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/v1/plugins/a/invoke", nil)
		if h.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != want {
			t.Errorf("%v: %d, Retry-After %q, want %s", after, w.Code, w.Header().Get("Retry-After"), want)
		}
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	for _, kind := range task.Kinds {
		if status := api.Status(kind); status < 400 || status > 599 {
			t.Errorf("%s has the status %d", kind, status)
		}
		// What the guest did is not an operator's alarm, and is not retried.
		if status := api.Status(kind); (status >= 500) != kind.Retryable() {
			t.Errorf("%s has the status %d and is retryable: %v", kind, status, kind.Retryable())
		}
	}
}

func TestTheLivesOfInstancesAreTold(t *testing.T) {
	url, _ := serve(t)
	if status, answer := do(t, "PUT", url+"/v1/plugins/p", telling(7)); status != 201 {
		t.Fatal(status, answer)
	}
	for range 5 {
		do(t, "POST", url+"/v1/plugins/p/invoke", nil)
	}
	status, answer := do(t, "GET", url+"/v1/plugins/p/instances", nil)
	var got struct{ Instances []monitor.Instance }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 {
		t.Fatal(status, answer, err)
	}
	var calls, rewinds int64
	for _, i := range got.Instances {
		calls += i.Calls
		rewinds += i.Rewinds
		if i.Version != 1 || i.BornAt.IsZero() || i.State == "" {
			t.Errorf("an instance is told of as %+v", i)
		}
	}
	if calls < 5 || rewinds != calls { // the first loan is the upload's
		t.Errorf("%d calls and %d rewinds are told of: %s", calls, rewinds, answer)
	}
	if status, answer := do(t, "GET", url+"/v1/plugins/none/instances", nil); status != 404 {
		t.Errorf("of no plugin: %d %s", status, answer)
	}
}
