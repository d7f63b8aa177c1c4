// Package wasm reads WebAssembly binaries. It works on bytes alone: no engine,
// no host. Section numbers refer to the WebAssembly core specification 2.0,
// "Binary Format".
package wasm

import (
	"slices"
	"strings"
)

// PageSize is the unit linear memory is counted in, in bytes.
const PageSize = 65_536

// Module is what a binary says of itself outside its code.
type Module struct {
	Imports []Import
	Exports []Export

	// Memory is the module's linear memory, imported or its own; nil without one.
	Memory *Memory

	// Functions counts the functions the module defines itself.
	Functions int

	// HasStart tells that instantiating the module already runs its code.
	HasStart bool
}

// ExternKind is the kind of an import or export.
type ExternKind byte

// The kinds, as encoded ("Import Section", "Export Section").
const (
	ExternFunc   ExternKind = 0
	ExternTable  ExternKind = 1
	ExternMemory ExternKind = 2
	ExternGlobal ExternKind = 3
)

// String returns the word the text format has for k.
func (k ExternKind) String() string {
	return [...]string{"func", "table", "memory", "global"}[k]
}

// Import is something the module needs from its host.
type Import struct {
	Module, Name string
	Kind         ExternKind
	Type         FuncType // of a function
}

// String returns "module.name".
func (i Import) String() string { return i.Module + "." + i.Name }

// Export is something the module offers.
type Export struct {
	Name string
	Kind ExternKind
	Type FuncType // of a function
}

// Memory is the type of a linear memory, in pages.
type Memory struct {
	Min uint32
	Max uint32 // 65,536 when the module names no maximum
}

// ValueType is the type of a parameter or result, as encoded ("Value Types").
type ValueType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

var valueTypeNames = map[ValueType]string{
	I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128", FuncRef: "funcref", ExternRef: "externref",
}

// String returns the text format's name.
func (t ValueType) String() string { return valueTypeNames[t] }

// FuncType is a function's signature.
type FuncType struct {
	Params, Results []ValueType
}

// String returns the signature as "(i32, i64) -> (i32)".
func (t FuncType) String() string {
	return "(" + join(t.Params) + ") -> (" + join(t.Results) + ")"
}

// IsHandler tells whether a function of this type can be a prism handler:
// no parameters and one i32 (DESIGN.md, "Guest contracts").
func (t FuncType) IsHandler() bool {
	return len(t.Params) == 0 && len(t.Results) == 1 && t.Results[0] == I32
}

func join(types []ValueType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// ImportsFrom tells whether anything is imported from the named module.
func (m *Module) ImportsFrom(module string) bool {
	for _, i := range m.Imports {
		if i.Module == module {
			return true
		}
	}
	return false
}

// Handlers returns the names of the exported functions that are handlers.
func (m *Module) Handlers() []string {
	var names []string
	for _, e := range m.Exports {
		if e.Kind == ExternFunc && e.Type.IsHandler() {
			names = append(names, e.Name)
		}
	}
	return names
}

// Equal tells whether both signatures are the same.
func (t FuncType) Equal(other FuncType) bool {
	return slices.Equal(t.Params, other.Params) && slices.Equal(t.Results, other.Results)
}
