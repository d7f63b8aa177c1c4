package plugins

import (
	"log/slog"
	"strings"

	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// extismModule is the import module of the Extism ABI.
const extismModule = "extism:host/env"

// logLevels are those of a manifest.
var logLevels = map[string]slog.Level{
	"trace": task.LevelTrace, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "off": task.LevelOff,
}

// extism takes up what a manifest says of an Extism plug-in.
func (m Manifest) extism(v *task.Version, bad func(format string, args ...any)) {
	if m.Log != nil {
		level, known := logLevels[*m.Log]
		if !known {
			bad("log is %q; it must be trace, debug, info, warn, error or off", *m.Log)
		}
		v.LogLevel = level
	}
	v.HTTP = m.Grants.HTTP
	if _, err := outbound.ParseHosts(v.HTTP, outbound.Public); err != nil {
		bad("grants.http: %v", err)
	}
	v.Vars = task.MostVars
	if b := m.Grants.Vars; b != nil {
		if v.Vars = *b; v.Vars > task.MostVars {
			bad("grants.vars is %v; it must be at most %v, or 0B for none", v.Vars, task.MostVars)
		}
	}
}

// extismOnly refuses what a manifest says that means nothing for another contract.
func (m Manifest) extismOnly(abi task.ABI) error {
	for _, given := range []struct {
		key string
		is  bool
	}{{"log", m.Log != nil}, {"grants.http", m.Grants.HTTP != nil}, {"grants.vars", m.Grants.Vars != nil}} {
		if given.is && abi != task.ABIExtism {
			return invalidManifest("%s is given and the contract is %s; only Extism plug-ins have that, so leave it out", given.key, abi)
		}
	}
	return nil
}

// extismFunctions are the exports that can be called: all that a plug-in may have for a
// handler, without those that its toolchain adds.
func extismFunctions(m *wasm.Module) (names []string) {
	for _, e := range m.Exports {
		handles := e.Type.IsHandler() || len(e.Type.Params)+len(e.Type.Results) == 0
		added := e.Name == "_initialize" || e.Name == "__wasm_call_ctors" || strings.HasPrefix(e.Name, "asyncify_")
		if e.Kind == wasm.ExternFunc && handles && !added {
			names = append(names, e.Name)
		}
	}
	return names
}

func (r *Report) checkExtism(m *wasm.Module) {
	if r.Functions = extismFunctions(m); len(r.Functions) == 0 {
		r.problem("it exports no function that can be called; export one of type () -> i32 or () -> ()")
	}
}
