package plugins

import (
	"fmt"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// MostLinked bounds the modules that one is linked with.
const MostLinked = 16

// withLinked are the hosts and, before them, the modules that one is linked with.
type withLinked struct {
	Hosts
	modules map[string]*wasm.Module
}

// Provides returns the type of the function behind an import.
func (w withLinked) Provides(i wasm.Import) (wasm.FuncType, bool) {
	m, ok := w.modules[i.Module]
	if !ok {
		return w.Hosts.Provides(i)
	}
	e, ok := m.Export(i.Name)
	return e.Type, ok && e.Kind == wasm.ExternFunc
}

// checkLinked reads the modules that one is linked with, and has their functions provided. They
// import from hosts alone.
func (r *Report) checkLinked(linked []wasm.Linked, hosts Hosts) (Hosts, error) {
	if len(linked) == 0 {
		return hosts, nil
	}
	if len(linked) > MostLinked {
		r.problem("it is linked with %d modules; %d are the most", len(linked), MostLinked)
		return hosts, nil
	}
	w := withLinked{hosts, make(map[string]*wasm.Module)}
	for _, l := range linked {
		m, err := wasm.Parse(l.Module)
		if err != nil {
			return nil, task.Faultf(task.KindInvalid, "in the linked module %.80q, %w", l.Name, err)
		}
		if hostModules[l.Name] || w.modules[l.Name] != nil || l.Name == "" {
			r.problem("it is linked with a module %.80q; give each a name of its own, by which the plug-in imports from it", l.Name)
			continue
		}
		w.modules[l.Name] = m
		of := Report{}
		of.checkImports(m, hosts)
		for _, problem := range of.Problems {
			r.Problems = append(r.Problems, fmt.Sprintf("in the linked module %.80q, %s", l.Name, problem))
		}
	}
	return w, nil
}

// hostModules are names that linked modules cannot have: what is imported from them is the
// host's.
var hostModules = map[string]bool{"wasi_snapshot_preview1": true, prismModule: true, extismModule: true, wasm.MeterModule: true}
