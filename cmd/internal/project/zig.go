package project

import (
	"cmp"
	"context"
	"os"
)

var zig = &Language{
	Name: "zig", Title: "Zig", Test: append([]string{"zig", "test"}, zigModules...),
	carries: []string{"zig/src/prism.zig", "zig/src/host.zig", "zig/src/json.zig", "zig/src/testing.zig"},
	into:    "prism",
	mark:    "plugin.zig",
	marks:   func(p *Project) bool { return p.has("plugin.zig") },
	makes:   []string{"zig-out"},
	needs: []tool{{name: "zig", variable: "ZIG", install: "install Zig 0.17: pip install ziglang==0.17.1, and set ZIG to the zig in that package; " +
		"or unpack a release of https://ziglang.org/download, and have zig in the path"}},
	// By the compiler alone, which is ready sooner than "zig build": that compiles itself first.
	build: func(_ context.Context, p *Project) ([]step, string) {
		argv := []string{cmp.Or(os.Getenv("ZIG"), "zig"), "build-exe", "-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", "ReleaseFast"}
		return []step{{argv: append(append(argv, zigModules...), "--name", "plugin", "-femit-bin=plugin.wasm")}}, p.path("plugin.wasm")
	},
}

// zigModules are the plugin's and the SDK's, which it imports.
var zigModules = []string{"--dep", "prism", "-Mroot=plugin.zig", "-Mprism=prism/prism.zig"}
