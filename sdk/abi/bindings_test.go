package abi_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/sdk/abi"
)

// A binding is where and how a language says what the contract says. In a pattern NAME stands for a name of the contract.
type binding struct {
	language string
	folder   string   // of the repository; a language whose folder is not there is skipped
	files    []string // in it; the source is all of them

	// The declaration of an import, with groups named params and result. Empty: there are none here.
	function string
	types    []typ

	// A level of the log, with a group named value unless their order says it; and how the name is written.
	level string
	spelt func(name string) string

	callKey string            // a key of call_get
	limits  map[string]string // by the contract's name, with a group named value
	version string            // with a group named value; empty: the binding does not say it
}

// A typ says what WebAssembly makes of a parameter, or a result, that the pattern matches. The first that matches counts.
type typ struct{ pattern, wasm string }

// inherits is the type of a parameter that has the type of the next one: off, n uint32.
const inherits = "inherits"

var bindings = []binding{
	{
		language: "the server", folder: ".", files: []string{"host/prism/prism.go", "runtime/engine/call.go"},
		level: `slog\.LevelNAME(, slog\.|\}\n)`, spelt: title,
		callKey: `case "NAME":`,
		limits:  map[string]string{"text": `const maxText = (?P<value>.*)`, "key": `const maxKey = (?P<value>.*)`},
		version: `const Version = "(?P<value>.*)"`,
	},
	{
		language: "Go", folder: "sdk/go", files: []string{"internal/host/host_wasip1.go", "log.go", "call.go"},
		function: `//go:wasmimport prism NAME\n(//go:noescape\n)?func \w+\((?P<params>.*?)\)(?P<result>.*)`,
		types:    []typ{{`u?int32$`, "i32"}, {`int64$`, "i64"}, {`unsafe\.Pointer$`, "i32"}, {`string$`, "i32 i32"}, {`^\w+$`, inherits}},
		level:    `\n\tLevelNAME\b`, spelt: title,
		callKey: `about\("NAME"\)`,
	},
	{
		language: "C", folder: "sdk/c", files: []string{"prism.h"},
		function: `PRISM_IMPORT\("NAME"\) (?P<result>\w+) prism_host_\w+\((?P<params>.*)\);`,
		types:    []typ{{`\*`, "i32"}, {`\bu?int32_t\b`, "i32"}, {`\bint64_t\b`, "i64"}, {`^void$`, ""}},
		level:    `\bPRISM_NAME = (?P<value>\d+)`, spelt: strings.ToUpper,
		callKey: `\n \*\t(\w+, )?NAME\b`,
	},
	{
		language: "C++", folder: "sdk/c", files: []string{"prism.hpp"}, // on top of what C has
		level: `\n\tNAME = PRISM_`, spelt: strings.ToLower,
		callKey: `about\("NAME"\)`,
	},
	{
		language: "AssemblyScript", folder: "sdk/assemblyscript", files: []string{"assembly/prism/host.ts", "assembly/prism/index.ts"},
		function: `@external\("prism", "NAME"\)\nexport declare function \w+\((?P<params>.*)\): (?P<result>\w+);`,
		types:    []typ{{`\busize$`, "i32"}, {`\b[iu]32$`, "i32"}, {`\bi64$`, "i64"}, {`^void$`, ""}},
		level:    `\n  NAME = (?P<value>\d+),`, spelt: title,
		callKey: `about\("NAME"\)`,
	},
	{
		language: "Rust", folder: "sdk/rust", files: []string{"src/host.rs", "src/log.rs", "src/call.rs"},
		function: `#\[link_name = "NAME"\]\s+fn prism_\w+\((?P<params>.*)\)(?: -> (?P<result>\w+))?;`,
		types:    []typ{{`: \*`, "i32"}, {`\busize$`, "i32"}, {`\b[iu]32$`, "i32"}, {`\bi64$`, "i64"}},
		level:    `\n    NAME = (?P<value>\d+),`, spelt: title,
		callKey: `look_up\(host::call_get, "NAME"\)`,
	},
	{
		language: "Zig", folder: "sdk/zig", files: []string{"src/host.zig", "src/prism.zig"},
		function: `extern "prism" fn NAME\((?P<params>.*)\) (?P<result>\w+);`,
		types:    []typ{{`: \[\*\]`, "i32"}, {`\busize$`, "i32"}, {`\b[iu]32$`, "i32"}, {`\bi64$`, "i64"}, {`^void$`, ""}},
		level:    `\bNAME = (?P<value>\d+)[, ]`, spelt: func(name string) string { return strings.TrimSuffix(name, "or") },
		callKey: `"NAME"`,
	},
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// source reads the files, one after the other.
func (b binding) source(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range b.files {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// compiled puts a name into a pattern.
func compiled(pattern, name string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(pattern, "NAME", name))
}

// find returns the named groups of every match.
func find(t *testing.T, pattern, name, source string) (all []map[string]string) {
	t.Helper()
	expression := compiled(pattern, name)
	for _, match := range expression.FindAllStringSubmatch(source, -1) {
		groups := map[string]string{}
		for i, group := range expression.SubexpNames() {
			if group != "" {
				groups[group] = strings.TrimSpace(match[i])
			}
		}
		all = append(all, groups)
	}
	return all
}

// inOrder returns where each level stands.
func (b binding) inOrder(t *testing.T, source string, c abi.Contract) (at []int) {
	t.Helper()
	for _, level := range c.Levels {
		if found := compiled(b.level, b.spelt(level.Name)).FindStringIndex(source); found != nil {
			at = append(at, found[0])
		}
	}
	return at
}

// typesOf returns what WebAssembly makes of a list of parameters, or of a result.
func (b binding) typesOf(t *testing.T, list string) (types []string) {
	t.Helper()
	next := ""
	for _, item := range slices.Backward(strings.Split(list, ",")) {
		item = strings.TrimSpace(item)
		i := slices.IndexFunc(b.types, func(of typ) bool { return regexp.MustCompile(of.pattern).MatchString(item) })
		switch {
		case item == "":
			continue
		case i < 0:
			t.Errorf("%q is of no known type", item)
			continue
		case b.types[i].wasm != inherits:
			next = b.types[i].wasm
		}
		types = slices.Concat(strings.Fields(next), types)
	}
	return types
}
