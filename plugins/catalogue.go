// Package plugins is the catalogue: names, their versions, and which of them
// answers. It takes an upload from its bytes to a version that can be called.
package plugins

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/task"
)

// Runner makes versions callable.
type Runner interface {
	// Load compiles a version, starts an instance of it and makes its canary call.
	// Calls do not reach it yet. Loading what is loaded does nothing.
	Load(ctx context.Context, v task.Version, module []byte) error

	// Route sends a plugin's calls to a version that was loaded, and lets those
	// before finish.
	Route(ref task.Ref)

	// Share sends a share of a plugin's calls, over 0 and below 1, to one version and
	// the others to another. Both were loaded.
	Share(live, canary task.Ref, share float64)

	// Samples returns what the calls of both came to since; false without a canary.
	Samples(namespace, plugin string) (live, canary *health.Sample, ok bool)

	// Resume ends the waiting of calls for a version that takes over: there is none.
	Resume(namespace, plugin string)

	// Unload ends a loaded version that no calls go to.
	Unload(ref task.Ref)

	// Expect makes calls wait for a plugin that is being loaded, until Route, or
	// Fail says that it cannot be.
	Expect(namespace, plugin string)
	Fail(namespace, plugin string, err error)

	// Open makes scripts of an interpreter loadable, and Shut ends that.
	Open(ctx context.Context, v task.Version, module []byte) error
	IsOpen(d task.Digest) bool
	Shut(d task.Digest)

	// Unroute makes calls of a plugin answer that there is none.
	Unroute(namespace, plugin string)
}

// Code is compiled code on disk.
type Code interface {
	// Forget removes what a module was compiled to.
	Forget(task.Digest) error
}

// Options are what the catalogue works with.
type Options struct {
	Store    store.Catalogue
	Modules  *blob.Dir
	Runner   Runner
	Hosts    Hosts
	Code     Code
	Defaults Defaults

	// Publish, unless it is nil, is told of what becomes of plugins and their versions. It
	// must not wait.
	Publish func(event.Event)

	Log *slog.Logger
}

// Plugin is a name and its versions.
type Plugin struct {
	Namespace string
	Name      string
	store.Release
	CreatedAt time.Time
	UpdatedAt time.Time
	Versions  []Version // oldest first
}

// Version is a version with what follows from its module and manifest.
type Version struct {
	store.Version
	Facts Facts
	Run   task.Version // how it runs; its defaults are those of now
}

// RunsTasks refuses a version that no task can be run by.
func (v Version) RunsTasks() error {
	if v.ABI == task.ABICGI {
		return task.Faultf(task.KindInvalid, "%s is a CGI program, which answers HTTP requests and runs no tasks; call it at /x/%[1]s", v.Ref.Plugin)
	}
	return nil
}

// Facts are what was found in a module, kept so that it need not be read again.
type Facts struct {
	Function  string   `json:"function,omitempty"`  // the default handler
	Functions []string `json:"functions,omitempty"` // every handler
	Imports   []string `json:"imports,omitempty"`   // "module.name"
	Exports   []string `json:"exports,omitempty"`
	Script    *Script  `json:"script,omitempty"` // nil: it is a module
}

// Catalogue is safe for concurrent use.
type Catalogue struct {
	options Options
	// Each plugin has one upload at a time, and one change at a time to where its calls
	// go: a version that fails is not kept live by an upload that takes a minute to
	// compile. Who needs both takes them in this order.
	uploads, releases keyedLock

	commit sync.Mutex // held while modules and records change together

	mu       sync.RWMutex
	plugins  map[key]Plugin    // as committed; values are never changed in place
	runtimes map[string]Plugin // likewise: languages, whose versions are interpreters
}

type key struct{ namespace, name string }

// Open reads what is stored and removes modules that a crash left without a
// record. Nothing is loaded before Load; until then, calls of what has a live version
// wait.
func Open(ctx context.Context, o Options) (*Catalogue, error) {
	if o.Publish == nil {
		o.Publish = func(event.Event) {}
	}
	c := &Catalogue{options: o, plugins: make(map[key]Plugin), runtimes: make(map[string]Plugin)}
	stored, err := o.Store.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[task.Digest]bool)
	for _, s := range stored {
		p := Plugin{Namespace: s.Namespace, Name: s.Name, Release: s.Release, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
		for _, v := range s.Versions {
			known[v.Digest] = true
			p.Versions = append(p.Versions, c.derive(v))
		}
		if s.Namespace == runtimes {
			c.runtimes[s.Name] = p
			continue
		}
		c.plugins[key{s.Namespace, s.Name}] = p
		if p.Live != 0 {
			o.Runner.Expect(p.Namespace, p.Name)
		}
	}
	if err := o.Modules.Sweep(func(d task.Digest) bool { return known[d] }); err != nil {
		return nil, err
	}
	return c, nil
}

// derive fills in what follows from a stored version. What does not follow any
// more, since the server's bounds were lowered, is left at the server's
// defaults and noted.
func (c *Catalogue) derive(v store.Version) Version {
	out := Version{Version: v, Run: task.Version{Ref: v.Ref, Digest: v.Digest, ABI: v.ABI}}
	m, err := ParseJSON(v.Manifest)
	if err == nil {
		err = json.Unmarshal(v.Facts, &out.Facts)
	}
	if err == nil {
		err = m.apply(c.options.Defaults.of(out.script().Runtime), &out.Run)
	}
	out.Run.Function = out.Facts.Function
	if s := out.Facts.Script; s != nil {
		out.Run.Interpreter = s.Interpreter
	}
	if err != nil {
		c.options.Log.Warn("a stored manifest is not allowed any more", slog.Any("version", v.Ref), slog.Any("error", err))
	}
	return out
}

// Plugins returns the plugins of a namespace, sorted by name.
func (c *Catalogue) Plugins(namespace string) []Plugin {
	return slices.DeleteFunc(c.all(), func(p Plugin) bool { return p.Namespace != namespace })
}

func (c *Catalogue) all() []Plugin {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.SortedFunc(maps.Values(c.plugins), func(a, b Plugin) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// Plugin returns one plugin, or a not_found fault.
func (c *Catalogue) Plugin(namespace, name string) (Plugin, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.plugins[key{namespace, name}]
	if !ok {
		return Plugin{}, task.Faultf(task.KindNotFound, "there is no plugin %q", name)
	}
	return p, nil
}

// ref names one of p's versions.
func (p Plugin) ref(number int) task.Ref {
	return task.Ref{Namespace: p.Namespace, Plugin: p.Name, Version: number}
}

// Version returns one version, or a not_found fault.
func (p Plugin) Version(number int) (Version, error) {
	for _, v := range p.Versions {
		if v.Ref.Version == number {
			return v, nil
		}
	}
	return Version{}, task.Faultf(task.KindNotFound, "%s has no version %d; it has 1 to %d", p.Name, number, len(p.Versions))
}

// Runnable returns how a version runs, and its module; the interpreter of a script is
// opened.
func (c *Catalogue) Runnable(ctx context.Context, ref task.Ref) (task.Version, []byte, error) {
	module, v, err := c.Module(ref.Namespace, ref.Plugin, ref.Version)
	if s := v.Facts.Script; s != nil && err == nil {
		err = c.openInterpreter(ctx, s.Runtime, s.Interpreter)
	}
	return v.runnable(module), module, err
}

// Module returns the bytes of a version as they were uploaded.
func (c *Catalogue) Module(namespace, name string, number int) ([]byte, Version, error) {
	p, err := c.Plugin(namespace, name)
	if err != nil {
		return nil, Version{}, err
	}
	v, err := p.Version(number)
	if err != nil {
		return nil, Version{}, err
	}
	module, err := c.options.Modules.Get(v.Digest)
	return module, v, err
}

// Delete stops and forgets a plugin. Calls that are running finish.
func (c *Catalogue) Delete(ctx context.Context, namespace, name string) error {
	k := key{namespace, name}
	for _, l := range []*keyedLock{&c.uploads, &c.releases} {
		unlock, err := l.lock(ctx, k)
		if err != nil {
			return err
		}
		defer unlock()
	}
	p, err := c.Plugin(namespace, name)
	if err != nil {
		return err
	}
	c.commit.Lock()
	defer c.commit.Unlock()
	if err := c.options.Store.Delete(context.WithoutCancel(ctx), namespace, name); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.plugins, k)
	c.mu.Unlock()
	c.options.Runner.Unroute(namespace, name)
	c.options.Publish(event.Event{
		Type: event.PluginDeleted, Ref: p.ref(0), Data: event.Data(map[string]int{"versions": len(p.Versions)}),
	})
	return c.removeUnusedLocked(p)
}

// removeUnusedLocked removes modules of p that no other plugin has. Left files
// would be removed at the next start.
func (c *Catalogue) removeUnusedLocked(p Plugin) error {
	used := make(map[task.Digest]bool)
	c.mu.RLock()
	installed := slices.Collect(maps.Values(c.runtimes))
	c.mu.RUnlock()
	for _, other := range append(c.all(), installed...) {
		for _, v := range other.Versions {
			used[v.Digest] = true
		}
	}
	var errs []error
	for _, v := range p.Versions {
		if !used[v.Digest] {
			errs = append(errs, c.options.Modules.Remove(v.Digest), c.options.Code.Forget(v.Digest))
		}
	}
	return errors.Join(errs...)
}

func (c *Catalogue) put(p Plugin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plugins[key{p.Namespace, p.Name}] = p
}

// now is as exact as the store keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName returns a fault of kind invalid for what cannot name a plugin.
func CheckName(name string) error {
	if validName.MatchString(name) {
		return nil
	}
	return task.Faultf(task.KindInvalid, "%s cannot name a plugin: use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
		fmt.Sprintf("%.80q", name))
}
