package main

import (
	"context"
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
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// server is the parts of a running prismrt, in the order in which they were made.
type server struct {
	config    config.Config
	log       *slog.Logger
	lock      *flock.Flock // of the data folder
	db        *sqlite.DB
	engine    *engine.Engine
	monitor   *monitor.Monitor
	profiles  *profile.Profiler
	invoker   *invoke.Invoker
	catalogue *plugins.Catalogue

	loading  atomic.Bool
	stopping atomic.Bool
}

// serve runs a server until ctx ends, and then stops it in order.
func serve(ctx context.Context, cfg config.Config, stderr io.Writer) (err error) {
	s := &server{config: cfg, log: newLogger(cfg.Log, stderr)}
	setGo(cfg.Go, s.log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Server.Listen)
	if err != nil {
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
	s.loading.Store(true)
	go func() {
		s.catalogue.Load(calls, cores)
		s.loading.Store(false)
	}()
	judging := make(chan error, 1)
	go func() { judging <- s.catalogue.Run(calls) }()
	defer func() { cancelCalls(); err = errors.Join(err, <-judging) }()
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	s.log.Info("listening on http://"+listener.Addr().String(), slog.String("data", cfg.Server.Data))

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.log.Info("stopping: no new calls are taken", slog.Any("grace", cfg.Server.Grace))
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

	var err error
	if s.db, err = sqlite.Open(ctx, filepath.Join(dir, "prismrt.db")); err != nil {
		return err
	}
	modules, err := blob.Open(filepath.Join(dir, "modules"))
	if err != nil {
		return err
	}
	s.profiles = profile.New(profile.Options{Lines: func(d task.Digest) func(uint64) (string, int) { return s.engine.Lines(d) }})
	if s.engine, err = newEngine(ctx, s.config, filepath.Join(dir, "code"), s.sampler, s.log); err != nil {
		return err
	}
	s.monitor = monitor.New(monitor.Sources{
		Pools:     func() []monitor.Pool { return s.invoker.Pools() },
		Guests:    func() monitor.Guests { return monitor.Guests(s.engine.Stats()) },
		Scheduler: func() monitor.Scheduler { return s.invoker.Scheduler() },
	})
	p := s.config.Pool
	s.invoker = invoke.New(invoke.Options{
		Engine: s.engine, Monitor: s.monitor, Scheduler: newScheduler(s.config.Scheduler), Log: s.log,
		Pool: invoke.Pool{Waiting: s.config.Scheduler.Waiting, Idle: time.Duration(p.Idle), Age: time.Duration(p.Age), Trim: time.Duration(p.Trim)},
		Breaker: health.Options{
			Threshold: s.config.Health.Threshold, MinCalls: s.config.Health.MinCalls, Open: time.Duration(s.config.Health.Open),
		},
		Forgotten: s.profiles.Forget,
		Fenced:    func(ref task.Ref, why string) { s.catalogue.TakeOver(context.Background(), ref, why) },
	})
	s.catalogue, err = plugins.Open(ctx, plugins.Options{
		Store: s.db, Modules: modules, Runner: s.invoker, Hosts: s.engine, Code: s.engine, Defaults: defaults(s.config), Log: s.log,
	})
	return err
}

func (s *server) handler() http.Handler {
	return api.New(api.Options{
		Catalogue: s.catalogue, Invoker: s.invoker, Monitor: s.monitor, Profiles: s.profiles, Unready: s.unready,
		MaxModule: s.config.Upload.Module, MaxManifest: s.config.Upload.Manifest,
		BodyTimeout: time.Duration(s.config.Server.BodyTimeout), Cores: cores, Log: s.log,
	})
}

func (s *server) unready() (reasons []string) {
	if s.stopping.Load() {
		reasons = append(reasons, "the server is stopping")
	}
	if s.loading.Load() {
		reasons = append(reasons, "plugins are being loaded")
	}
	return reasons
}

// close ends the parts, last first: instances and code, then what must survive.
func (s *server) close() error {
	var errs []error
	if s.invoker != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, s.invoker.Close(ctx))
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// sampler has the programs of a version sampled.
func (s *server) sampler(v task.Version) engine.Sampler { return s.profiles.Recorder(v) }

// newEngine makes the engine that compiles in a child process of this binary.
func newEngine(ctx context.Context, cfg config.Config, dir string, sampler func(task.Version) engine.Sampler, log *slog.Logger) (*engine.Engine, error) {
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
		Hosts:          []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits}, {Name: prism.Module, Instantiate: prism.Instantiate}},
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
		Max: cfg.Default.Instances, MaxMax: cfg.Max.Instances,
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
