package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/host/extism"
	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/bottleneck"
	"github.com/marketprism/prismrt/runtime/callback"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// What a data folder has, besides compiled code and a lock.
const (
	databaseFile  = "prismrt.db"
	modulesFolder = "modules"
	secretFile    = "callback.secret" // config.Secrets, unless it is elsewhere
)

// server is the parts of a running prismrt, in the order in which they were made.
type server struct {
	config    config.Config
	log       *slog.Logger
	lock      *flock.Flock // of the data folder
	db        *sqlite.DB
	events    *event.Log
	listener  net.Listener
	extism    *extism.Host
	engine    *engine.Engine
	monitor   *monitor.Monitor
	tracer    *tracing.Tracer // nil: nothing is traced
	profiles  *profile.Profiler
	invoker   *invoke.Invoker
	catalogue *plugins.Catalogue
	queue     *queue.Queue
	schedules *schedule.Keeper
	callbacks *callback.Sender // nil: no URL may be told of a task

	loading  atomic.Bool
	stopping atomic.Bool
	graceEnd time.Time // once it is stopping
}

// serve runs a server until ctx ends, and then stops it in order.
func serve(ctx context.Context, cfg config.Config, stderr io.Writer) (err error) {
	s := &server{config: cfg, log: newLogger(cfg.Log, stderr)}
	setGo(cfg.Go, s.log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Server.Listen); err != nil {
		return fmt.Errorf("listen: %w; choose another address with --listen", err)
	}
	// Calls outlive ctx by the grace period.
	calls, cancelCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelCalls()
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: time.Duration(cfg.Server.HeaderTimeout),
		ReadTimeout:       time.Duration(cfg.Server.HeaderTimeout + cfg.Server.BodyTimeout),
		IdleTimeout:       time.Duration(cfg.Server.IdleTimeout),
		BaseContext:       func(net.Listener) context.Context { return calls },
		ConnState:         s.monitor.ConnState,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	url := "http://" + s.listener.Addr().String()
	s.events.Publish(event.Event{Type: event.ServerStarted, Data: event.Data(map[string]string{"url": url})})
	s.loading.Store(true)
	go func() {
		s.catalogue.Load(calls, cores)
		s.loading.Store(false)
		s.events.Publish(event.Event{Type: event.ServerReady})
	}()
	var watching sync.WaitGroup
	watching.Go(func() { s.monitor.Run(calls) })
	watching.Go(func() { s.watcher().Run(calls) })
	working, stopWorking := context.WithCancel(calls)
	defer stopWorking()
	worked := make(chan error, 1)
	go func() { worked <- s.runTasks(working) }()
	judging := make(chan error, 1)
	go func() { judging <- s.catalogue.Run(calls) }()
	defer func() {
		stopWorking()
		err = errors.Join(err, <-worked)
		cancelCalls()
		watching.Wait()
		err = errors.Join(err, <-judging)
	}()
	served := make(chan error, 1)
	go func() { served <- h.Serve(s.listener) }()
	s.log.Info("listening on "+url, slog.String("data", cfg.Server.Data))

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.graceEnd = time.Now().Add(time.Duration(cfg.Server.Grace))
	s.log.Info("stopping: no new calls are taken", slog.Any("grace", cfg.Server.Grace))
	s.events.Publish(event.Event{Type: event.ServerStopping})
	s.events.Close() // streams of events are not waited for
	stopWorking()
	grace, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Server.Grace))
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		s.log.Warn("calls were still running after the grace period and are cancelled")
		cancelCalls()
		// Guests leave at their next loop or call.
		last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = h.Shutdown(last)
		return errors.Join(err, h.Close())
	}
	return nil
}

// open makes the parts. close undoes what it came to, also when it fails.
func (s *server) open(ctx context.Context) error {
	dir := s.config.Server.Data
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return errors.Join(fmt.Errorf("another prismrt uses the data folder %s; stop it, or choose another folder with --data", dir), err)
	}
	s.lock = lock
	s.events = event.New(event.Options{})

	var err error
	s.monitor = monitor.New(monitor.Sources{
		Pools:     func() []monitor.Pool { return s.invoker.Pools() },
		Guests:    func() monitor.Guests { return monitor.Guests(s.engine.Stats()) },
		Scheduler: func() monitor.Scheduler { return s.invoker.Scheduler() },
		Buffers:   s.keptBuffers,
		Database:  func() sql.DBStats { return s.db.Stats() },
		Backlog:   func() monitor.Backlog { return monitor.BacklogOf(s.listener) },
		Tasks:     func() monitor.Tasks { return toldTasks(s.queue.Stats()) },
	})
	if s.db, err = sqlite.Open(ctx, filepath.Join(dir, databaseFile), databaseOptions(s.config.Tasks)); err != nil {
		return err
	}
	s.db.OnCommit = s.monitor.Commits.Observe
	modules, err := blob.Open(filepath.Join(dir, modulesFolder))
	if err != nil {
		return err
	}
	modules.OnSync = s.monitor.ModuleWrites.Observe
	s.profiles = profile.New(profile.Options{Lines: func(d task.Digest) func(uint64) (string, int) { return s.engine.Lines(d) }})
	if s.extism, err = newExtism(s.config.Extism); err != nil {
		return err
	}
	if s.engine, err = newEngine(ctx, s.config, s.extism, filepath.Join(dir, "code"), s.sampler, s.log); err != nil {
		return err
	}
	if s.tracer, err = newTracer(ctx, s.config.Trace, s.log); err != nil {
		return err
	}
	if s.tracer != nil {
		s.monitor.Registry.MustRegister(s.tracer)
	}
	p := s.config.Pool
	s.invoker = invoke.New(invoke.Options{
		Engine: s.engine, Monitor: s.monitor, Tracer: s.tracer, Scheduler: newScheduler(s.config.Scheduler), Log: s.log,
		Pool: invoke.Pool{Waiting: s.config.Scheduler.Waiting, Idle: time.Duration(p.Idle), Age: time.Duration(p.Age), Trim: time.Duration(p.Trim)},
		Breaker: health.Options{
			Threshold: s.config.Health.Threshold, MinCalls: s.config.Health.MinCalls, Open: time.Duration(s.config.Health.Open),
		},
		Versions:  s.version,
		Forgotten: s.profiles.Forget,
		Fenced:    func(ref task.Ref, why string) { s.catalogue.TakeOver(context.Background(), ref, why) },
		Publish:   s.events.Publish,
	})
	s.catalogue, err = plugins.Open(ctx, plugins.Options{
		Store: s.db, Modules: modules, Runner: s.invoker, Hosts: s.engine, Code: s.engine, Defaults: defaults(s.config), Publish: s.events.Publish, Log: s.log,
	})
	if err != nil {
		return err
	}
	return s.openTasks(ctx)
}

// version finds a version that an invocation asks for by its number.
func (s *server) version(ref task.Ref) (task.Version, []byte, error) {
	return s.catalogue.Runnable(context.Background(), ref)
}

func (s *server) handler() http.Handler {
	return api.New(api.Options{
		Catalogue: s.catalogue, Invoker: s.invoker, Queue: s.queue, Schedules: s.schedules, Monitor: s.monitor, Profiles: s.profiles, Events: s.events, Tracer: s.tracer, Unready: s.unready,
		MaxModule: s.config.Upload.Module, MaxManifest: s.config.Upload.Manifest,
		BodyTimeout: time.Duration(s.config.Server.BodyTimeout), Cores: cores, Log: s.log,
	})
}

// watcher tells as events when bottlenecks come and go.
func (s *server) watcher() *bottleneck.Watcher {
	publish := func(t event.Type) func(bottleneck.Finding) {
		return func(f bottleneck.Finding) {
			s.events.Publish(event.Event{Type: t, Ref: f.Ref, Message: f.Cause, Data: event.Data(f)})
		}
	}
	return &bottleneck.Watcher{Window: s.monitor.Window, Hot: s.profiles.Hot, Opened: publish(event.FindingOpened), Closed: publish(event.FindingClosed)}
}

// keptBuffers tells of the memory that packages keep from one use for another.
func (s *server) keptBuffers() (all []monitor.Buffers) {
	for _, b := range append(api.Buffers(), invoke.Buffers(), s.extism.Buffers()) {
		all = append(all, monitor.Buffers(b))
	}
	return all
}

func (s *server) unready() (reasons []string) {
	if s.stopping.Load() {
		reasons = append(reasons, "the server is stopping")
	}
	if s.loading.Load() {
		reasons = append(reasons, "plugins are being loaded")
	}
	return append(reasons, s.queue.Unready()...)
}

// close ends the parts, last first: instances and code, then what must survive.
func (s *server) close() error {
	var errs []error
	if s.invoker != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, s.invoker.Close(ctx))
	}
	s.flush()
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// flush sends the last spans, within what is left of the grace period, or a second. That
// some are lost is no failure of the server's.
func (s *server) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Second, time.Until(s.graceEnd)))
	defer cancel()
	if err := s.tracer.Close(ctx); err != nil {
		s.log.Warn("the last spans are lost", slog.Any("error", err))
	}
}

// sampler has the programs of a version sampled.
func (s *server) sampler(v task.Version) engine.Sampler { return s.profiles.Recorder(v) }

// newExtism makes the host of Extism plug-ins.
func newExtism(c config.Extism) (*extism.Host, error) {
	return extism.New(extism.Options{
		Sessions: c.Sessions, SessionMemory: int64(c.SessionMemory), SessionIdle: time.Duration(c.SessionIdle), AllowPrivate: c.AllowPrivate,
	})
}

// newEngine makes the engine that compiles in a child process of this binary.
func newEngine(ctx context.Context, cfg config.Config, guests *extism.Host, dir string, sampler func(task.Version) engine.Sampler, log *slog.Logger) (*engine.Engine, error) {
	timeout := time.Duration(cfg.Upload.CompileTimeout)
	compiler, err := compilerCommand(uint64(cfg.Upload.CompileMemory), timeout)
	if err != nil {
		return nil, err
	}
	return engine.New(ctx, engine.Options{
		CacheDir:       dir,
		Compiler:       compiler,
		CompileTimeout: timeout,
		StartTimeout:   time.Duration(cfg.Upload.StartTimeout),
		Compilations:   cores,
		Hosts:          []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits}, {Name: prism.Module, Instantiate: prism.Instantiate}, {Name: extism.Module, Instantiate: guests.Instantiate, Waits: extism.Waits}},
		Sampler:        sampler,
		Log:            log,
	})
}

func newScheduler(c config.Scheduler) *sched.Scheduler {
	return sched.New(sched.Options{
		Cores: cores, Policy: sched.Policy(c.Policy), Weights: c.Weights,
		Waiting: c.Waiting, NamespaceWaiting: c.NamespaceWaiting, TotalWaiting: c.TotalWaiting,
	})
}

// compilerCommand is this binary as a compiler that yields to the server.
func compilerCommand(memory uint64, timeout time.Duration) ([]string, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	cpu := timeout * time.Duration(cores)
	command := []string{self, "compile-module", "--memory", strconv.FormatUint(memory, 10), "--cpu", cpu.String()}
	if nice, err := exec.LookPath("nice"); err == nil {
		command = append([]string{nice, "-n", "10"}, command...)
	}
	return command, nil
}

// executable returns a path to this very binary, also after an upgrade replaced
// the file it was started from.
func executable() (string, error) {
	if goruntime.GOOS == "linux" {
		return fmt.Sprintf("/proc/%d/exe", os.Getpid()), nil // of a child, self is another
	}
	return os.Executable()
}

func defaults(cfg config.Config) plugins.Defaults {
	d := plugins.Defaults{
		Limits: cfg.Default.Limits(), MaxLimits: cfg.Max.Limits(),
		Max: cfg.Default.Instances, MaxMax: cfg.Max.Instances, Tasks: cfg.Tasks.Policy(),
	}
	if d.Max == 0 {
		d.Max = d.MaxMax
	}
	return d
}

func newLogger(cfg config.Logging, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		panic(err) // config.Check knows the levels
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
