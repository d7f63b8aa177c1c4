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
	r.checkImports(m, with)
	if r.ABI == "" {
		r.ABI = r.findABI(m)
	}
	if linked != nil && r.ABI != task.ABIExtism && r.ABI != "" {
		r.problem("it is a %s and has linked modules; only Extism plug-ins can be linked with others", r.ABI)
	}
	switch r.ABI {
	case task.ABICommand:
		r.checkCommand(m)
	case task.ABIPrism:
		r.checkPrism(m)
	case task.ABIExtism:
		r.checkExtism(m)
	}
	return r, nil
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// findABI tells the contract from imports and exports (DESIGN.md, "Guest
// contracts").
func (r *Report) findABI(m *wasm.Module) task.ABI {
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
	}
	r.problem("it is neither a command (no export _start) nor a handler library (no imports from %q); "+
		"build a program that reads standard input, or use one of the SDKs", prismModule)
	return ""
}

func (r *Report) checkImports(m *wasm.Module, hosts Hosts) {
	for _, i := range m.Imports {
		if i.Kind != wasm.ExternFunc {
			r.Imports = append(r.Imports, Import{Import: i})
			r.problem("it imports the %s %s; only functions can be imported", i.Kind, i)
			continue
		}
		t, ok := hosts.Provides(i)
		r.Imports = append(r.Imports, Import{i, ok && t.Equal(i.Type)})
		switch {
		case !ok && i.Module == "wasi_unstable":
			r.problem("it imports %s, of a WASI before preview 1; build it with a current toolchain", i)
		case !ok && strings.HasPrefix(i.Module, "wasi:"):
			r.problem("it imports %s, of WASI preview 2; build it for preview 1, such as --target wasm32-wasip1", i)
		case !ok:
			r.problem("it imports %s, which nothing here provides; known are WASI preview 1 and the functions of %q and %q", i, prismModule, extismModule)
		case !t.Equal(i.Type):
			r.problem("it imports %s as %s; it is %s", i, i.Type, t)
		}
	}
}

func (r *Report) checkCommand(m *wasm.Module) {
	e, ok := m.Export(start)
	if !ok {
		r.problem("a command must export _start; build it as a program, not as a library")
		return
	}
	if e.Kind != wasm.ExternFunc || len(e.Type.Params)+len(e.Type.Results) > 0 {
		r.problem("its _start must be a function of type () -> ()")
	}
}

func (r *Report) checkPrism(m *wasm.Module) {
	if r.Functions = m.Handlers(); len(r.Functions) == 0 {
		r.problem("it exports no handler; export a function of type () -> i32, such as \"handle\"")
	}
	if m.Memory == nil {
		r.problem("it has no memory for the host to write its input to")
	}
}
