package plugins

import (
	"fmt"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Hosts tells what guests may import.
type Hosts interface {
	// Provides returns the type of the function behind an import.
	Provides(wasm.Import) (wasm.FuncType, bool)
}

// Report is what a module is found to be.
type Report struct {
	ABI       task.ABI // "" when it speaks no contract that is known
	Functions []string // handlers that can be called; empty for a command
	Imports   []Import
	Exports   []wasm.Export
	Memory    *wasm.Memory // nil without one

	// Problems are the reasons why the module cannot be a plugin, each a
	// sentence that says what to do. Empty: it can.
	Problems []string
}

// Import is an import and whether the host has it.
type Import struct {
	wasm.Import
	Provided bool
}

// prismModule is the import module of the prism ABI.
const prismModule = "prism"

// start is the export that makes a module a command (WASI application ABI).
const start = "_start"

// Inspect reads a module and compares what it needs with what there is. With abi
// empty the contract is found; otherwise the module is held to it. The error, a
// fault of kind invalid, is of a module that cannot be read at all.
func Inspect(module []byte, hosts Hosts, abi task.ABI) (Report, error) {
	module, linked := wasm.Unlink(module)
	m, err := wasm.Parse(module)
	if err != nil {
		return Report{}, task.Faultf(task.KindInvalid, "%w", err)
	}
	r := Report{ABI: abi, Exports: m.Exports, Memory: m.Memory}
	with, err := r.checkLinked(linked, hosts)
	if err != nil {
		return Report{}, err
	}
	recognised := r.checkImports(m, with)
	if r.ABI == "" {
		r.ABI = r.findABI(m, recognised)
	}
	if linked != nil && r.ABI != task.ABIExtism && r.ABI != "" {
		r.problem("it is a %s and has linked modules; only Extism plug-ins can be linked with others", r.ABI)
	}
	switch r.ABI {
	case task.ABICommand, task.ABICGI:
		r.checkCommand(m)
	case task.ABIPrism:
		r.checkPrism(m)
	case task.ABIExtism:
		r.checkExtism(m)
	}
	return r, nil
}

// Version is how a module would run that was found to be r, with this manifest. Faults are
// those of an upload.
func (m Manifest) Version(d Defaults, r Report) (task.Version, error) {
	var v task.Version
	if err := m.apply(d, &v); err != nil {
		return v, err
	}
	return v, m.settle(&v, r)
}

// settle takes up what a module was found to be, after apply, and refuses what a manifest says
// that does not go with it.
func (m Manifest) settle(v *task.Version, r Report) (err error) {
	v.ABI = r.ABI
	if err := m.extismOnly(v.ABI); err != nil {
		return err
	}
	if v.Function, err = defaultFunction(*v, r, m); err != nil {
		return err
	}
	if v.Health.Input != nil && !v.ABI.IsProgram() && !slices.Contains(r.Functions, v.Function) {
		return invalidManifest("health.input is for the default handler and there is none; set function to one of %s", strings.Join(r.Functions, ", "))
	}
	return nil
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// findABI tells the contract from imports and exports (DESIGN.md, "Guest
// contracts").
func (r *Report) findABI(m *wasm.Module, recognised bool) task.ABI {
	_, isCommand := m.Export(start)
	usesPrism := m.ImportsFrom(prismModule)
	handles := slices.Contains(m.Handlers(), "handle")
	switch {
	case m.ImportsFrom(extismModule):
		return task.ABIExtism // also those that export _start, which is one of their functions
	case isCommand && usesPrism && handles:
		// It would run, do nothing and answer nothing.
		r.problem("it exports both _start and prism handlers, so it is a handler library that was built as a program; " +
			"build it as a reactor: -buildmode=c-shared for Go, -mexec-model=reactor for clang, --crate-type cdylib for Rust")
		return ""
	case isCommand:
		return task.ABICommand
	case usesPrism:
		return task.ABIPrism
	case recognised:
		return ""
	}
	also := ""
	if handlers := m.Handlers(); len(handlers) > 0 {
		also = fmt.Sprintf("; if %s is a handler that needs no input, say abi = \"prism\" in the manifest", handlers[0])
	} else if list := typed(m.Exports); list != "" {
		also = "; it exports " + list + ", and nothing here calls those"
	}
	r.problem("it is neither a command (no export _start) nor a handler library (no imports from %q); "+
		"build a program that reads standard input, or use one of the SDKs%s", prismModule, also)
	return ""
}

// checkImports compares what a module needs with what there is. It reports true where
// what is missing is of a contract that was recognised: then nothing else need be said of
// what the module is not.
func (r *Report) checkImports(m *wasm.Module, hosts Hosts) (recognised bool) {
	var none []missing
	for _, i := range m.Imports {
		if i.Kind != wasm.ExternFunc {
			r.Imports = append(r.Imports, Import{Import: i})
			r.problem("it imports the %s %s, %s", i.Kind, i, foreignExtern(i))
			continue
		}
		t, ok := hosts.Provides(i)
		r.Imports = append(r.Imports, Import{i, ok && t.Equal(i.Type)})
		switch {
		case !ok:
			n := slices.IndexFunc(none, func(m missing) bool { return m.module == i.Module })
			if n < 0 {
				n, none = len(none), append(none, missing{module: i.Module})
			}
			none[n].names = append(none[n].names, i.Name)
		case !t.Equal(i.Type):
			r.problem("it imports %s as %s; it is %s", i, i.Type, t)
		}
	}
	for _, n := range none {
		says, contract := foreign(n.module, n.names)
		r.problem("it imports %s, %s", n, says)
		recognised = recognised || contract
	}
	return recognised
}

func (r *Report) checkCommand(m *wasm.Module) {
	e, ok := m.Export(start)
	if !ok {
		r.problem("a program must export _start, and it does not; build it as a program, not as a library (-buildmode=c-shared, -mexec-model=reactor, --crate-type cdylib)")
		return
	}
	if e.Kind != wasm.ExternFunc || len(e.Type.Params)+len(e.Type.Results) > 0 {
		r.problem("its _start is a %s %s; it must be a function of type () -> ()", e.Kind, e.Type)
	}
}

func (r *Report) checkPrism(m *wasm.Module) {
	if r.Functions = m.Handlers(); len(r.Functions) == 0 {
		also := ""
		if e, ok := m.Export("handle"); ok && e.Kind == wasm.ExternFunc {
			also = fmt.Sprintf("; its export handle is of type %s", e.Type)
		} else if list := typed(m.Exports); list != "" {
			also = "; it exports " + list
		}
		r.problem("it exports no handler, which is a function of type () -> (i32), such as \"handle\", that takes its input with input_read%s", also)
	}
	if m.Memory == nil {
		r.problem("it has no memory for the host to write its input to")
	}
}
