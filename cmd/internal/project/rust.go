package project

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

var rust = &Language{
	Name: "rust", Title: "Rust", Test: []string{"cargo", "test"},
	mark:  "Cargo.toml",
	marks: func(p *Project) bool { return p.has("Cargo.toml") },
	makes: []string{"target", "Cargo.lock"},
	check: func(ctx context.Context, l *Language) error {
		if findRust(ctx) != nil {
			return nil
		}
		return &MissingError{
			Language: l, Tool: "a Rust with the target wasm32-wasip1",
			Install: "run: rustup target add wasm32-wasip1; without rustup, on Debian and Ubuntu: apt-get install rustc libstd-rust-dev-wasm32 lld",
		}
	},
	build: func(ctx context.Context, p *Project) ([]step, string) {
		r := findRust(ctx)
		if r == nil || r.cargo {
			target := rustTargets[0]
			if r != nil {
				target = r.target
			}
			return []step{{argv: []string{"cargo", "build", "--release", "--target", target}}}, p.path(filepath.Join("target", target, "release", p.crateFile()))
		}
		return r.build(p)
	},
}

// rustTargets are WASI preview 1's, by its name since Rust 1.78, and before.
var rustTargets = []string{"wasm32-wasip1", "wasm32-wasi"}

// rustToolchain is a Rust that builds for WebAssembly.
type rustToolchain struct {
	rustc  string
	target string
	cargo  bool // its cargo does, too
}

// findRust returns nil where there is none. A rustc without a cargo is Debian's, whose cargo
// cannot read today's crates.io.
func findRust(ctx context.Context) *rustToolchain {
	for _, rustc := range []string{"rustc", os.Getenv("RUSTC"), "/usr/bin/rustc"} {
		for _, target := range rustTargets {
			out, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", target).Output()
			if err != nil {
				continue
			}
			if _, err := os.Stat(strings.TrimSpace(string(out))); err != nil {
				continue
			}
			_, err = exec.LookPath("cargo")
			return &rustToolchain{rustc, target, err == nil && rustc == "rustc"}
		}
	}
	return nil
}

// cargoManifest is what of Cargo.toml is needed here.
type cargoManifest struct {
	Package      struct{ Name string }
	Lib          struct{ Name string }
	Dependencies map[string]any
}

func (p *Project) cargo() (m cargoManifest) {
	_, _ = toml.DecodeFile(p.path("Cargo.toml"), &m) // what is wrong with it, the build says
	return m
}

// crateFile is the module's file: a library's, or a program's.
func (p *Project) crateFile() string {
	m := p.cargo()
	switch {
	case m.Lib.Name != "":
		return m.Lib.Name + ".wasm"
	case p.has("src/main.rs"):
		return m.Package.Name + ".wasm"
	}
	return strings.ReplaceAll(m.Package.Name, "-", "_") + ".wasm"
}

// build builds without cargo what depends on the SDK alone, and lets cargo say what is
// missing for others.
func (r *rustToolchain) build(p *Project) ([]step, string) {
	m := p.cargo()
	sdk, _ := m.Dependencies["prism"].(map[string]any)
	folder, _ := sdk["path"].(string)
	if len(m.Dependencies) != 1 || folder == "" || !p.has("src/lib.rs") {
		return []step{{argv: []string{"cargo", "build", "--release", "--target", rustTargets[0]}}}, p.path(filepath.Join("target", rustTargets[0], "release", p.crateFile()))
	}
	if !filepath.IsAbs(folder) {
		folder = p.path(folder)
	}
	out := filepath.Join("target", r.target)
	module := filepath.Join(out, p.crateFile())
	rustc := func(args ...string) step {
		return step{argv: append([]string{r.rustc, "--edition", "2021", "--target", r.target, "-C", "opt-level=3", "-C", "panic=abort", "-C", "strip=debuginfo"}, args...)}
	}
	return []step{
		rustc("--crate-type", "rlib", "--crate-name", "prism", "--out-dir", out, filepath.Join(folder, "src", "lib.rs")),
		rustc("--crate-type", "cdylib", "--crate-name", "plugin", "-C", "lto", "--extern", "prism="+filepath.Join(out, "libprism.rlib"), "-o", module, filepath.Join("src", "lib.rs")),
	}, p.path(module)
}
