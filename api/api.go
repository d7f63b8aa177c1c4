// Package api is the HTTP contract: routes, decoding, errors. It decides nothing
// about plugins; it says in HTTP what the packages behind it say in Go.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// Invoker runs plugins.
type Invoker interface {
	// Limits returns what bounds an invocation of the plugin now.
	Limits(ctx context.Context, namespace, plugin string) (task.Limits, error)

	// Invoke runs a plugin once.
	Invoke(ctx context.Context, in task.Invocation) (task.Result, error)

	// Series runs a plugin on one input after another: next gives what differs from in and
	// reports false when there is no more, done is told what became of it. The error is why
	// ctx has ended.
	Series(ctx context.Context, in task.Invocation, next func(in *task.Invocation) bool, done func(result *task.Result, err error)) error

	// State says how a plugin stands: ready, loading, fenced or failed with a reason,
	// or "".
	State(namespace, plugin string) (state, reason string)

	// Samples returns what the calls of a live version and of the canary beside it came
	// to, false without a canary.
	Samples(namespace, plugin string) (live, canary *health.Sample, ok bool)

	// Pools tells of every loaded version's instances.
	Pools() []monitor.Pool

	// Instances tells of a plugin's instances, one by one.
	Instances(namespace, plugin string) []monitor.Instance
}

// Options are what the API stands on.
type Options struct {
	Catalogue *plugins.Catalogue
	Invoker   Invoker
	Monitor   *monitor.Monitor

	// Queue keeps tasks. Nil: there are none, and nothing is known of them at their paths.
	Queue Queue

	// Schedules submits tasks again and again. Nil: there are none, as with Queue.
	Schedules Schedules

	// Profiles are of what guests burn their fuel in. Nil: none are taken.
	Profiles *profile.Profiler

	// Events is what goes on. Closing it ends the streams of events, which would otherwise
	// go on for as long as their clients want.
	Events *event.Log

	// Tracer takes up the traces of calls. Nil: they are not looked at.
	Tracer *tracing.Tracer

	// Unready returns why the server should not get calls now; nothing: it should.
	Unready func() []string

	// MaxModule and MaxManifest bound an upload, in bytes.
	MaxModule, MaxManifest task.Bytes

	// BodyTimeout bounds reading a request's body, and writing an answer's. Of a batch it
	// bounds how long either may make no progress.
	BodyTimeout time.Duration

	// Cores is how many guests can compute at once [GOMAXPROCS].
	Cores int

	Log *slog.Logger
}

type server struct {
	Options
	feeds atomic.Int64 // streams of events that are open
}

// New returns the handler of the whole API.
func New(o Options) http.Handler {
	if o.Cores == 0 {
		o.Cores = runtime.GOMAXPROCS(0)
	}
	if o.Profiles == nil {
		o.Profiles = profile.New(profile.Options{})
	}
	s := &server{Options: o}
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	r.NotFound(s.handle(notFound))
	r.MethodNotAllowed(s.handle(methodNotAllowed))

	r.Get("/v1/plugins", s.handle(s.listPlugins))
	r.Get("/v1/plugins/{name}", s.handle(s.showPlugin))
	r.Put("/v1/plugins/{name}", s.handle(s.putPlugin, "live", "runtime", "file"))
	r.Delete("/v1/plugins/{name}", s.handle(s.deletePlugin, "force"))
	r.Post("/v1/plugins/{name}/live", s.handle(s.setLive))
	r.Get("/v1/plugins/{name}/instances", s.handle(s.listInstances))
	r.Get("/v1/plugins/{name}/profile", s.handle(s.profile, profileQuery...))
	r.Get("/v1/plugins/{name}/versions/{version}/module", s.handle(s.getModule))
	r.Post("/v1/plugins/{name}/invoke", s.handle(s.invoke))
	r.Post("/v1/plugins/{name}/invoke/{function}", s.handle(s.invoke))

	r.Get("/v1/runtimes", s.handle(s.listRuntimes))
	r.Put("/v1/runtimes/{name}", s.handle(s.putRuntime))
	r.Delete("/v1/runtimes/{name}", s.handle(s.deleteRuntime))

	r.Post("/v1/plugins/{name}/batch", s.handle(s.batch))
	r.Post("/v1/plugins/{name}/batch/{function}", s.handle(s.batch))

	r.Handle("/x/{name}", s.handle(s.cgi, anyParameter))
	r.Handle("/x/{name}/*", s.handle(s.cgi, anyParameter))

	if s.Queue != nil {
		s.routeTasks(r)
	}
	if s.Schedules != nil {
		s.routeSchedules(r)
	}
	r.Get("/v1/events", s.handle(s.events, "type", "plugin", "version", "since", "follow"))
	r.Get("/v1/stats", s.handle(s.stats))
	r.Get("/v1/bottlenecks", s.handle(s.bottlenecks, "window"))
	r.Get("/healthz", s.handle(s.healthz))
	r.Get("/readyz", s.handle(s.readyz))
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Monitor.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return o.Monitor.Serving(s.guard(r))
}

func (s *server) routeTasks(r chi.Router) {
	r.Post("/v1/tasks", s.handle(s.submit, submissionQuery...))
	r.Post("/v1/tasks/batch", s.handle(s.submitBatch, submissionQuery...))
	r.Get("/v1/tasks", s.handle(s.listTasks, "state", "plugin", "before", "limit"))
	r.Post("/v1/tasks/retry", s.handle(s.retryTasks, "state", "plugin"))
	r.Get("/v1/tasks/{id}", s.handle(s.showTask, "input"))
	r.Delete("/v1/tasks/{id}", s.handle(s.cancelTask))
	r.Get("/v1/tasks/{id}/input", s.handle(s.taskInput))
	r.Get("/v1/tasks/{id}/result", s.handle(s.taskResult, "wait"))
	r.Get("/v1/tasks/{id}/events", s.handle(s.taskEvents, "follow"))
	r.Post("/v1/tasks/{id}/retry", s.handle(s.retryTask, termsQuery...))
}

// namespace is where everything is while there are no keys to tell tenants apart.
const namespace = task.DefaultNamespace

func notFound(_ http.ResponseWriter, r *request) error {
	return task.Faultf(task.KindNotFound, "there is nothing at %s; the API is under /v1, and a plugin's name holds no slash", r.URL.Path)
}

// methodNotAllowed says what is possible, also in Allow (RFC 9110, section 15.5.6).
func methodNotAllowed(w http.ResponseWriter, r *request) error {
	routes, path := chi.RouteContext(r.Context()).Routes, cmp.Or(r.URL.RawPath, r.URL.Path) // by which chi goes
	var possible []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if routes.Match(chi.NewRouteContext(), method, path) {
			possible = append(possible, method)
		}
	}
	w.Header().Set("Allow", strings.Join(possible, ", "))
	return &httpFault{http.StatusMethodNotAllowed, task.Faultf(task.KindInvalid, "%s is not possible at %s; possible are %s",
		r.Method, r.URL.Path, strings.Join(possible, ", "))}
}
