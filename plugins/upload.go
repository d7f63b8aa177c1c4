package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Upload is a module and what its uploader says of it.
type Upload struct {
	Namespace string
	Name      string
	Module    []byte
	Manifest  Manifest
	Live      bool // make the version answer

	// Runtime is the language of a script, which Module is then. Empty: it is a module.
	// File is its name, which tracebacks have. Empty: the plugin's, with the language's ending.
	Runtime, File string
}

// Add takes an upload to a version: it is checked, compiled, started once, given the
// canary call of its manifest, stored so that a power failure cannot take it, and only then, with Live, called
// by its name. An upload that fails at any step changes nothing.
//
// The same module and manifest as a version the plugin has make no new one:
// added is false, and with Live that version answers from now on.
//
// Faults of kind invalid say what is wrong with the module or manifest; those of
// the guest's kinds tell how its start went.
func (c *Catalogue) Add(ctx context.Context, u Upload) (v Version, added bool, err error) {
	if err := CheckName(u.Name); err != nil {
		return Version{}, false, err
	}
	if n := u.Manifest.Name; n != nil && *n != u.Name {
		return Version{}, false, invalidManifest("name is %q and the upload is to %q; make them the same, or leave the name out", *n, u.Name)
	}
	unlock, err := c.uploads.lock(ctx, key{u.Namespace, u.Name})
	if err != nil {
		return Version{}, false, err
	}
	defer unlock()

	p, err := c.Plugin(u.Namespace, u.Name)
	if err != nil {
		p = Plugin{Namespace: u.Namespace, Name: u.Name}
	}
	digest, manifest := task.DigestOf(u.Module), u.Manifest.canonical()
	var pinned Script
	if u.Runtime != "" {
		s, err := c.pin(u)
		if err != nil {
			return Version{}, false, err
		}
		pinned = *s
	}
	for _, known := range p.Versions {
		if known.Digest == digest && bytes.Equal(known.Manifest, manifest) && known.script() == pinned {
			if u.Live {
				_, err = c.change(ctx, known.Ref, func(p Plugin) (Plugin, error) {
					if p.Live == known.Ref.Version {
						return p, nil
					}
					return c.setLive(ctx, p, known.Ref.Version)
				})
			}
			return known, false, err
		}
	}

	v, err = c.check(p, digest, u)
	if err != nil {
		return Version{}, false, err
	}
	if s := v.Facts.Script; s != nil {
		if err := c.openInterpreter(ctx, s.Runtime, s.Interpreter); err != nil {
			return Version{}, false, err
		}
	}
	if err := c.options.Runner.Load(ctx, v.runnable(u.Module), u.Module); err != nil {
		return Version{}, false, err
	}
	if err := c.store(ctx, p, v, u); err != nil {
		c.options.Runner.Unload(v.Ref)
		return Version{}, false, err
	}
	return v, true, nil
}

// check reads the module and the manifest and makes of them the plugin's next
// version.
func (c *Catalogue) check(p Plugin, digest task.Digest, u Upload) (Version, error) {
	number := 1
	if n := len(p.Versions); n > 0 {
		number = p.Versions[n-1].Ref.Version + 1
	}
	ref := task.Ref{Namespace: u.Namespace, Plugin: u.Name, Version: number}
	if u.Runtime != "" {
		return c.checkScript(ref, digest, u)
	}
	run := task.Version{Ref: ref, Digest: digest}
	if err := u.Manifest.apply(c.options.Defaults, &run); err != nil {
		return Version{}, err
	}
	var abi task.ABI
	if u.Manifest.ABI != nil {
		abi = *u.Manifest.ABI
	}
	report, err := Inspect(u.Module, c.options.Hosts, abi)
	if err != nil {
		return Version{}, err
	}
	if len(report.Problems) > 0 {
		return Version{}, task.Faultf(task.KindInvalid, "the module cannot be a plugin: %s", strings.Join(report.Problems, "; "))
	}
	if err := u.Manifest.settle(&run, report); err != nil {
		return Version{}, err
	}
	facts := Facts{Function: run.Function, Functions: report.Functions}
	for _, i := range report.Imports {
		facts.Imports = append(facts.Imports, i.String())
	}
	for _, e := range report.Exports {
		facts.Exports = append(facts.Exports, e.Name)
	}
	return newVersion(run, u, facts)
}

// newVersion is the version that an upload becomes.
func newVersion(run task.Version, u Upload, facts Facts) (Version, error) {
	encoded, err := json.Marshal(facts)
	if err != nil {
		return Version{}, err
	}
	return Version{
		Version: store.Version{
			Ref: run.Ref, Digest: run.Digest, Bytes: int64(len(u.Module)), ABI: run.ABI,
			Manifest: u.Manifest.canonical(), Facts: encoded, CreatedAt: now(),
		},
		Facts: facts,
		Run:   run,
	}, nil
}

// defaultFunction settles which handler answers calls that name none.
func defaultFunction(v task.Version, r Report, m Manifest) (string, error) {
	switch {
	case len(m.Args) > 0 && !v.ABI.IsProgram():
		return "", invalidManifest("args are for programs, and the module has handlers")
	case v.ABI.IsProgram() && m.Function != nil:
		return "", invalidManifest("function is %q and the module is a command, which has none", *m.Function)
	case v.ABI.IsProgram():
		return "", nil
	case m.Function != nil && !slices.Contains(r.Functions, v.Function):
		for _, e := range r.Exports {
			if e.Name == v.Function && e.Kind == wasm.ExternFunc {
				return "", invalidManifest("function is %q, which the module exports with the type %s; a handler is of type () -> (i32)", v.Function, e.Type)
			}
		}
		return "", invalidManifest("function is %q and the module exports no such handler; it exports %s", v.Function, strings.Join(r.Functions, ", "))
	}
	names := r.Functions
	if v.ABI == task.ABIExtism && len(names) > 1 { // beside others, _start is what a toolchain adds
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == start })
	}
	if len(names) == 1 {
		return names[0], nil
	}
	return v.Function, nil
}

// store commits a version that was loaded and sends it calls if it is to be live: first
// the module, then the record that names it, so that a crash between leaves a file that
// nobody knows and Open removes.
func (c *Catalogue) store(ctx context.Context, p Plugin, v Version, u Upload) error {
	unlock, err := c.releases.lock(ctx, key{u.Namespace, u.Name})
	if err != nil {
		return err
	}
	defer unlock()
	if current, err := c.Plugin(u.Namespace, u.Name); err == nil {
		p = current // its calls may go elsewhere since
	}
	c.commit.Lock()
	defer c.commit.Unlock()
	if s := v.Facts.Script; s != nil {
		if _, err := c.runtime(s.Runtime); err != nil { // it was removed meanwhile
			return err
		}
	}
	if err := c.options.Modules.Put(v.Digest, u.Module); err != nil {
		return err
	}
	var r *store.Release
	before := p.Release
	if u.Live {
		p.Release = live(p.Release, v.Ref.Version)
		r = &p.Release
	}
	if err := c.options.Store.Add(context.WithoutCancel(ctx), v.Version, r); err != nil {
		return err
	}
	if p.UpdatedAt = v.CreatedAt; p.CreatedAt.IsZero() {
		p.CreatedAt = v.CreatedAt
	}
	p.Versions = append(p.Versions[:len(p.Versions):len(p.Versions)], v)
	c.put(p)
	if u.Live { // this ends a canary release
		c.options.Runner.Route(v.Ref)
	} else {
		c.options.Runner.Unload(v.Ref)
	}
	c.publishUpload(v)
	c.publishRelease(p, before)
	return nil
}
