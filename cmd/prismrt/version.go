package main

import (
	"runtime/debug"
	"strings"
)

type versionCmd struct{}

// Run prints what the binary was built from.
func (*versionCmd) Run(t *terminal, g *globals) error {
	b := ownBuild()
	if g.JSON {
		return t.json(b)
	}
	return t.printf("%s\n", b)
}

func ownBuild() (b build) {
	if info, ok := debug.ReadBuildInfo(); ok {
		b = buildOf(info)
	}
	return b
}

// build is what a binary was made of. An empty field is not known.
type build struct {
	Version  string `json:"version,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree held changes that the commit does not
	Go       string `json:"go,omitempty"`
	Wazero   string `json:"wazero,omitempty"`
	OS       string `json:"os,omitempty"`
	Arch     string `json:"arch,omitempty"`
}

// buildOf picks what matters from what the Go linker wrote down.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "GOOS":
			b.OS = s.Value
		case "GOARCH":
			b.Arch = s.Value
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/tetratelabs/wazero" {
			b.Wazero = dep.Version
		}
	}
	return b
}

// String returns one line for a person.
func (b build) String() string {
	known := func(s string) string {
		if s == "" {
			return "unknown"
		}
		return s
	}
	words := []string{"prismrt", known(b.Version)}
	if b.Commit != "" {
		commit := "commit " + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			commit += " with changes"
		}
		words = append(words, commit+",")
	}
	words = append(words, known(b.Go)+",", "wazero", known(b.Wazero)+",", known(b.OS)+"/"+known(b.Arch))
	return strings.Join(words, " ")
}
