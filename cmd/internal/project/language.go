package project

import (
	"context"
	"os"
	"path/filepath"
)

// Language is one that plugins are written in.
type Language struct {
	Name  string // as it is asked for, such as "go"
	Title string
	Test  []string // the command that tests a project, as its author would type it

	carries []string                // files of package sdk, which lie in the project,
	into    string                  // in this folder; "": beside the others
	prepare func(*Project) []string // nil: there is nothing to get

	mark  string // the file by which a folder is known
	marks func(*Project) bool
	makes []string // folders and files that building leaves behind
	needs []tool
	check func(context.Context, *Language) error           // besides; nil: there is nothing else
	build func(context.Context, *Project) ([]step, string) // and where the module then is
}

// Languages are those there are, in the order in which a folder is looked at.
var Languages = []*Language{golang, rust, zig, assemblyscript, cpp, c, python, javascript}

// Lookup finds a language by its name, nil: there is none.
func Lookup(name string) *Language {
	for _, l := range Languages {
		if l.Name == name {
			return l
		}
	}
	return nil
}

var golang = &Language{
	Name: "go", Title: "Go", Test: []string{"go", "test", "."},
	prepare: func(p *Project) []string {
		if p.contains("go.mod", goSDK) {
			return nil
		}
		return []string{"go get " + goSDK}
	},
	mark:  "go.mod",
	marks: func(p *Project) bool { return p.has("go.mod") },
	needs: []tool{{name: "go", install: "install Go 1.24 or later: https://go.dev/dl, or your system's package, such as golang"}},
	build: func(_ context.Context, p *Project) ([]step, string) {
		module := p.path(p.Name + ".wasm")
		s := step{argv: []string{"go", "build", "-trimpath", "-o", module}, env: []string{"GOOS=wasip1", "GOARCH=wasm"}}
		if p.importsSDK() { // else it is a program that reads standard input
			s.argv = append(s.argv, "-buildmode=c-shared")
		}
		s.argv = append(s.argv, ".")
		return []step{s}, module
	},
}

// goSDK is imported by handlers in Go.
const goSDK = "github.com/marketprism/prismrt/sdk/go"

func (p *Project) importsSDK() bool {
	files, _ := filepath.Glob(p.path("*.go")) // the pattern is right
	for _, file := range files {
		if p.contains(filepath.Base(file), `"`+goSDK+`"`) {
			return true
		}
	}
	return false
}

var c = &Language{
	Name: "c", Title: "C", Test: []string{"make", "test"},
	carries: []string{"c/prism.h", "c/prism_test.h"},
	mark:    "prism.h",
	marks:   func(p *Project) bool { return p.has("prism.h") && p.has("Makefile") },
	makes:   []string{"main.test"},
	needs: []tool{makeTool, clang(nil, "#include <stdlib.h>\n__attribute__((export_name(\"handle\"))) int handle(void) { return malloc(1) == NULL; }\n",
		"clang lld wasi-libc libclang-rt-NN-dev-wasm32")},
	build: makePlugin,
}

var cpp = &Language{
	Name: "cpp", Title: "C++", Test: []string{"make", "test"},
	carries: []string{"c/prism.h", "c/prism.hpp", "c/prism_test.h"},
	mark:    "prism.hpp",
	marks:   func(p *Project) bool { return p.has("prism.hpp") && p.has("Makefile") },
	makes:   []string{"main.test"},
	needs: []tool{makeTool, clang([]string{"-std=c++20", "-fno-exceptions", "-lc++", "-lc++abi"},
		"#include <string>\nextern \"C\" __attribute__((export_name(\"handle\"))) int handle() { return (int)std::to_string(1).size(); }\n",
		"clang lld wasi-libc libclang-rt-NN-dev-wasm32 libc++-NN-dev-wasm32 libc++abi-NN-dev-wasm32")},
	build: makePlugin,
}

var makeTool = tool{name: "make", install: "install make"}

func makePlugin(_ context.Context, p *Project) ([]step, string) {
	return []step{{argv: []string{"make", "plugin.wasm"}}}, p.path("plugin.wasm")
}

// clang links a reactor: that takes headers, the libraries and the compiler's own for wasm32,
// as Debian's packages are called.
func clang(flags []string, source, packages string) tool {
	language := "c"
	if flags != nil {
		language = "c++"
	}
	return tool{
		name: "clang", variable: "CLANG",
		install: "on Debian and Ubuntu: apt-get install " + packages + ", where NN is the version that clang --version tells; " +
			"elsewhere unpack a release of https://github.com/WebAssembly/wasi-sdk and set CLANG=.../bin/clang and WASI_SYSROOT=.../share/wasi-sysroot",
		source: source,
		probe: func(source, out string) []string {
			argv := []string{"--target=wasm32-wasi", "-mexec-model=reactor", "-o", out, "-x", language, source}
			if sysroot := os.Getenv("WASI_SYSROOT"); sysroot != "" {
				argv = append(argv, "--sysroot="+sysroot)
			}
			return append(argv, flags...)
		},
	}
}

var python = &Language{
	Name: "python", Title: "Python", Test: []string{"python3", "-m", "unittest"},
	mark:  "handler.py",
	marks: func(p *Project) bool { return p.has("handler.py") },
	makes: []string{"__pycache__"},
	build: func(_ context.Context, p *Project) ([]step, string) { return nil, p.path("handler.py") },
}

var javascript = &Language{
	Name: "javascript", Title: "JavaScript", Test: []string{"node", "--test"},
	mark:  "handler.js",
	marks: func(p *Project) bool { return p.has("handler.js") },
	makes: []string{"node_modules", "package-lock.json"},
	build: func(_ context.Context, p *Project) ([]step, string) { return nil, p.path("handler.js") },
}
