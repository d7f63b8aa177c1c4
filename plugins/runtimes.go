package plugins

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// runtimes is the namespace of interpreters, which are plugins of their own that scripts
// alone call. A caller's namespace has no such name.
const runtimes = "runtimes"

// Runtime is a language whose scripts can be uploaded, since its interpreter is here.
type Runtime struct {
	Name      string
	Digest    task.Digest // of the interpreter that new scripts are pinned to
	Bytes     int64
	Scripts   int // versions of plugins that are pinned to this interpreter or to one before it
	UpdatedAt time.Time
}

// Script says of a version that it is a script, and what runs it.
type Script struct {
	Runtime     string      `json:"runtime"`
	File        string      `json:"file"` // its name, as tracebacks have it
	Interpreter task.Digest `json:"interpreter"`
}

// AddRuntime installs the interpreter of a language: it is compiled, started once, and
// stored. Scripts that are uploaded from then on run with it, those from before go on with
// theirs. The same one a second time changes nothing: added is false.
func (c *Catalogue) AddRuntime(ctx context.Context, name string, module []byte) (r Runtime, added bool, err error) {
	language, err := script.Named(name)
	if err != nil {
		return Runtime{}, false, err
	}
	if module, err = language.Interpreter(module); err != nil {
		return Runtime{}, false, task.Faultf(task.KindInvalid, "the module is not %s of %s: %w", language.Source.File, language.Source.Name, err)
	}
	unlock, err := c.uploads.lock(ctx, key{runtimes, name})
	if err != nil {
		return Runtime{}, false, err
	}
	defer unlock()
	p, _ := c.runtime(name)
	p.Namespace, p.Name = runtimes, name
	digest := task.DigestOf(module)
	if v, err := p.Version(p.Live); err == nil && v.Digest == digest {
		return c.describeRuntime(p), false, nil
	}
	report, err := Inspect(module, c.options.Hosts, task.ABICommand)
	if err != nil {
		return Runtime{}, false, err
	}
	if len(report.Problems) > 0 {
		return Runtime{}, false, task.Faultf(task.KindInvalid, "the module cannot be an interpreter: %s", strings.Join(report.Problems, "; "))
	}
	number := 1
	if n := len(p.Versions); n > 0 {
		number = p.Versions[n-1].Ref.Version + 1
	}
	v := Version{Version: store.Version{
		Ref: p.ref(number), Digest: digest, Bytes: int64(len(module)), ABI: task.ABICommand,
		Manifest: Manifest{}.canonical(), Facts: []byte("{}"), CreatedAt: now(),
	}}
	if err := c.options.Runner.Open(ctx, c.interpreter(language, v), module); err != nil {
		return Runtime{}, false, err
	}
	if err := c.probe(ctx, language, v); err != nil {
		c.options.Runner.Shut(digest)
		return Runtime{}, false, err
	}
	c.commit.Lock()
	defer c.commit.Unlock()
	err = c.options.Modules.Put(digest, module)
	if err == nil {
		err = c.options.Store.Add(context.WithoutCancel(ctx), v.Version, &store.Release{Live: number})
	}
	if err != nil {
		c.options.Runner.Shut(digest)
		return Runtime{}, false, err
	}
	p.Release = store.Release{Live: number}
	if p.UpdatedAt = v.CreatedAt; p.CreatedAt.IsZero() {
		p.CreatedAt = v.CreatedAt
	}
	p.Versions = append(p.Versions[:len(p.Versions):len(p.Versions)], v)
	c.mu.Lock()
	c.runtimes[name] = p
	c.mu.Unlock()
	return c.describeRuntime(p), true, nil
}

// probe has an interpreter that is open run a script.
func (c *Catalogue) probe(ctx context.Context, l *script.Language, v Version) error {
	defer c.options.Runner.Unroute(runtimes, l.Name) // nothing is left of it
	echo := []byte("probe")
	err := c.options.Runner.Load(ctx, task.Version{
		Ref: v.Ref, Digest: task.DigestOf([]byte(l.Probe)), ABI: task.ABIScript, Interpreter: v.Digest,
		Prelude: script.Prelude("probe"+l.Suffix, nil, []byte(l.Probe)),
		Limits:  c.options.Defaults.of(l.Name).Limits, Max: 1, Health: task.Health{Input: echo, Expect: echo},
	}, []byte(l.Probe))
	if err != nil {
		return task.Faultf(task.KindInvalid, "the module does not run a script of %s: %s", l.Name, task.FaultOf(err).Message).CausedBy(err)
	}
	return nil
}

// Runtimes returns the languages that are installed, sorted by name.
func (c *Catalogue) Runtimes() (all []Runtime) {
	c.mu.RLock()
	installed := slices.SortedFunc(maps.Values(c.runtimes), func(a, b Plugin) int { return cmp.Compare(a.Name, b.Name) })
	c.mu.RUnlock()
	for _, p := range installed {
		all = append(all, c.describeRuntime(p))
	}
	return all
}

// RemoveRuntime removes the interpreters of a language. While scripts use them it is a
// fault of kind conflict.
func (c *Catalogue) RemoveRuntime(ctx context.Context, name string) error {
	unlock, err := c.uploads.lock(ctx, key{runtimes, name})
	if err != nil {
		return err
	}
	defer unlock()
	c.commit.Lock() // no script is stored meanwhile
	defer c.commit.Unlock()
	p, err := c.runtime(name)
	if err != nil {
		return err
	}
	if users := c.scriptsOf(name); len(users) > 0 {
		names := make(map[string]bool)
		for _, ref := range users {
			names[ref.Plugin] = true
		}
		return task.Faultf(task.KindConflict, "%s cannot be removed: scripts of %s use it; delete these first", name, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	if err := c.options.Store.Delete(context.WithoutCancel(ctx), runtimes, name); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.runtimes, name)
	c.mu.Unlock()
	for _, v := range p.Versions {
		c.options.Runner.Shut(v.Digest)
	}
	return c.removeUnusedLocked(p)
}

// runtime returns a language that is installed, or a not_found fault.
func (c *Catalogue) runtime(name string) (Plugin, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.runtimes[name]
	if !ok {
		return Plugin{}, task.Faultf(task.KindNotFound, "the runtime %q is not installed; install it with: prismrt runtime add %s", name, name)
	}
	return p, nil
}

// scriptsOf returns the versions that are scripts of a language.
func (c *Catalogue) scriptsOf(name string) (refs []task.Ref) {
	for _, p := range c.all() {
		for _, v := range p.Versions {
			if s := v.Facts.Script; s != nil && s.Runtime == name {
				refs = append(refs, v.Ref)
			}
		}
	}
	return refs
}

func (c *Catalogue) describeRuntime(p Plugin) Runtime {
	r := Runtime{Name: p.Name, UpdatedAt: p.UpdatedAt, Scripts: len(c.scriptsOf(p.Name))}
	if v, err := p.Version(p.Live); err == nil {
		r.Digest, r.Bytes = v.Digest, v.Bytes
	}
	return r
}

// interpreter is how an interpreter runs. Its scripts have limits of their own, within the
// server's.
func (c *Catalogue) interpreter(l *script.Language, v Version) task.Version {
	return task.Version{Ref: v.Ref, Digest: v.Digest, ABI: task.ABICommand, Args: l.Args, Limits: c.options.Defaults.MaxLimits}
}

// of are what manifests of a language's scripts leave out and may ask for; no name is that of
// no language.
func (d Defaults) of(language string) Defaults {
	if l, err := script.Named(language); err == nil {
		d.Limits.Memory = min(max(d.Limits.Memory, l.Memory), d.MaxLimits.Memory)
	}
	return d
}

// openInterpreter makes sure that scripts which are pinned to an interpreter can be loaded.
func (c *Catalogue) openInterpreter(ctx context.Context, name string, digest task.Digest) error {
	language, err := script.Named(name)
	if err != nil {
		return err
	}
	if c.options.Runner.IsOpen(digest) {
		return nil
	}
	unlock, err := c.uploads.lock(ctx, key{runtimes, name}) // it is read and opened once
	if err != nil {
		return err
	}
	defer unlock()
	if c.options.Runner.IsOpen(digest) {
		return nil
	}
	p, err := c.runtime(name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(p.Versions, func(v Version) bool { return v.Digest == digest })
	if i < 0 {
		return task.Faultf(task.KindNotFound, "the interpreter %s of %s is not installed any more", digest.Short(), name)
	}
	module, err := c.options.Modules.Get(digest)
	if err != nil {
		return fmt.Errorf("interpreter of %s: %w", name, err)
	}
	return c.options.Runner.Open(ctx, c.interpreter(language, p.Versions[i]), module)
}

// checkScript makes of a script the plugin's next version, pinned to the interpreter that
// is installed now.
func (c *Catalogue) checkScript(ref task.Ref, digest task.Digest, u Upload) (Version, error) {
	s, err := c.pin(u)
	if err != nil {
		return Version{}, err
	}
	run, err := u.Manifest.Script(c.options.Defaults, s.Runtime)
	if err != nil {
		return Version{}, err
	}
	run.Ref, run.Digest, run.Interpreter = ref, digest, s.Interpreter
	return newVersion(run, u, Facts{Script: s})
}

// Script is how a script in a language would run with this manifest. The fault is that of an
// upload, and says all that is wrong.
func (m Manifest) Script(d Defaults, language string) (task.Version, error) {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if m.ABI != nil && *m.ABI != task.ABIScript {
		bad("abi is %q and the upload is a script; leave it out", *m.ABI)
	}
	if m.Function != nil {
		bad("function is %q; a script has the handler handle(input) alone", *m.Function)
	}
	if len(m.Args) > 0 {
		bad("args are given; a script has none but its name, use grants.config")
	}
	if m.Image != nil && *m.Image == "off" {
		bad("image is off; scripts cannot do without, since it has their interpreter")
	}
	v := task.Version{ABI: task.ABIScript}
	m.ABI = nil
	for _, err := range []error{m.extismOnly(task.ABIScript), m.apply(d.of(language), &v)} {
		if err != nil {
			bad("%s", strings.TrimPrefix(task.FaultOf(err).Message, manifestPrefix))
		}
	}
	if v.Function = ""; len(wrong) > 0 {
		return v, invalidManifest("%s", strings.Join(wrong, "; "))
	}
	return v, nil
}

// pin says what runs a script that is uploaded now.
func (c *Catalogue) pin(u Upload) (*Script, error) {
	language, err := script.Named(u.Runtime)
	if err != nil {
		return nil, err
	}
	file := cmp.Or(u.File, u.Name+language.Suffix)
	if err := script.CheckFile(file); err != nil {
		return nil, err
	}
	p, err := c.runtime(language.Name)
	if err != nil {
		return nil, err
	}
	v, err := p.Version(p.Live)
	if err != nil {
		return nil, err
	}
	return &Script{Runtime: language.Name, File: file, Interpreter: v.Digest}, nil
}

// runnable is how a version runs whose module was read: an interpreter is handed the script.
func (v Version) runnable(module []byte) task.Version {
	run := v.Run
	if s := v.Facts.Script; s != nil {
		run.Prelude = script.Prelude(s.File, run.Config, module)
	}
	return run
}

// script is what runs a version, nothing where that is a module.
func (v Version) script() Script {
	if v.Facts.Script == nil {
		return Script{}
	}
	return *v.Facts.Script
}
