package plugins

import (
	"fmt"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// foreign says what a module is that imports functions nothing here provides, and what
// to do about it. Contract tells that the imports are those of a contract, or of a target,
// that was recognised.
func foreign(module string, names []string) (says string, contract bool) {
	switch {
	case module == "wasi_unstable":
		return "of a WASI before preview 1, whose structures are others; build it with a current toolchain, such as clang --target=wasm32-wasi or --target wasm32-wasip1", true
	case strings.HasPrefix(module, "wasi:"):
		return "of WASI preview 2; build it for preview 1, such as --target wasm32-wasip1", true
	case module == "wasi_snapshot_preview1":
		return "which WASI preview 1 does not have; build it without what its toolchain adds to that", true
	case module == "wasi" && slices.Contains(names, "thread-spawn"):
		return "of WASI's threads, which are not supported; build it without -pthread, for wasm32-wasip1", true
	case strings.HasPrefix(module, "wasix_"):
		return "of WASIX; build it for WASI preview 1, such as --target wasm32-wasip1", true
	case module == "wapc":
		return "so it is a waPC guest, a contract that prismrt does not run; " + instead, true
	case module == "http_handler":
		return "so it is an http-wasm handler, a contract that prismrt does not run; build it as a CGI program (abi = \"cgi\"), or use one of the SDKs", true
	case module == extismModule:
		return "which the host of Extism plug-ins does not have", true
	case strings.HasPrefix(module, "extism:host/"):
		return "which are functions of the program that it was a plug-in of; prismrt has none of those, so build it without", true
	case module == "dylibso_observe":
		return "so it was instrumented for Dylibso's Observe SDK; upload the module as it was before: calls are profiled here anyway", true
	case module == "gojs", module == "go" && slices.ContainsFunc(names, isGoJS):
		return "so it was built for GOOS=js, which needs a browser; build it with GOOS=wasip1 GOARCH=wasm", true
	case module == "wbg", strings.HasPrefix(module, "__wbindgen_"), strings.HasSuffix(module, "_bg.js"):
		return "so it was built with wasm-bindgen, which needs JavaScript; build it without, for --target wasm32-wasip1", true
	case strings.HasSuffix(module, ".js"):
		return "which is JavaScript, and only WebAssembly runs here; build it without", true
	case module == "env" && slices.ContainsFunc(names, isEmscripten):
		return "which Emscripten has JavaScript for; build it with clang --target=wasm32-wasi, or link with -sSTANDALONE_WASM -sPURE_WASI and without -sALLOW_MEMORY_GROWTH", true
	case module == "env" && isAssemblyScript(names):
		return "which AssemblyScript has JavaScript for; build it with --use abort= and without trace(), or use the SDK for AssemblyScript", true
	case len(module) == 1 && module[0] >= 'a' && module[0] <= 'z' && !slices.ContainsFunc(names, func(n string) bool { return len(n) > 2 }):
		return "which nothing here provides; such short names are Emscripten's for JavaScript: build it with clang --target=wasm32-wasi", true
	case module == "env":
		return fmt.Sprintf("which nothing here provides: it expects a host of its own, or was linked without a library that has it; known are WASI preview 1 and the functions of %q and %q", prismModule, extismModule), false
	}
	return fmt.Sprintf("which nothing here provides; known are WASI preview 1 and the functions of %q and %q", prismModule, extismModule), false
}

// instead is what to do with a guest of another contract.
const instead = "build it as a program that reads standard input, or use one of the SDKs"

func isGoJS(name string) bool {
	return strings.HasPrefix(name, "syscall/js.") || strings.HasPrefix(name, "runtime.")
}

// isEmscripten knows the names of what Emscripten leaves to its JavaScript: the invoke_
// functions are for longjmp and exceptions, the others for system calls.
func isEmscripten(name string) bool {
	for _, prefix := range []string{"emscripten_", "_emscripten_", "invoke_", "__syscall_", "__cxa_", "_embind_", "_emval_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "setTempRet0" || name == "getTempRet0"
}

// isAssemblyScript knows what the standard library of AssemblyScript imports by itself.
func isAssemblyScript(names []string) bool {
	own := []string{"abort", "trace", "seed", "Date.now", "performance.now", "process.exit"}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(own, n) })
}

// foreignExtern says what to do about an import that is not a function.
func foreignExtern(i wasm.Import) string {
	switch {
	case i.Name == "__linear_memory", i.Name == "__stack_pointer", i.Name == "__indirect_function_table":
		return "so it is an object file or a shared library; link it to a program or a library, such as with clang --target=wasm32-wasi"
	case i.Kind == wasm.ExternMemory:
		return "and must have a memory of its own; link it without --import-memory (AssemblyScript: --importMemory)"
	case i.Kind == wasm.ExternTable:
		return "and must have a table of its own; link it without --import-table (AssemblyScript: --importTable)"
	}
	return "and only functions can be imported"
}

// missing are imports from one module that nothing provides.
type missing struct {
	module string
	names  []string
}

// String lists them, and of many the first few.
func (m missing) String() string {
	const most = 3
	full := make([]string, min(len(m.names), most))
	for n := range full {
		full[n] = m.module + "." + m.names[n]
	}
	list := strings.Join(full, ", ")
	if more := len(m.names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// typed lists exported functions with their types, and of many the first few.
func typed(exports []wasm.Export) string {
	const most, longest = 4, 60
	var list []string
	more := 0
	for _, e := range exports {
		switch {
		case e.Kind != wasm.ExternFunc || strings.HasPrefix(e.Name, "_"):
		case len(list) == most:
			more++
		default:
			t := e.Type.String()
			if len(t) > longest {
				t = t[:longest] + "..."
			}
			list = append(list, e.Name+" of type "+t)
		}
	}
	text := strings.Join(list, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
