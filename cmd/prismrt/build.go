package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/marketprism/prismrt/cmd/internal/project"
)

type buildCmd struct {
	Dir string `arg:"" optional:"" default:"." type:"path" help:"The project's folder."`
}

// Help is shown by "prismrt build --help".
func (*buildCmd) Help() string {
	return "Finds out what the project is written in, and builds it with the language's own tools. Where one is missing, it says what to install. " +
		"What was built is looked at as an upload does; it exits with 1 when that would refuse it."
}

// Run builds the project.
func (b *buildCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	p, err := project.Open(b.Dir)
	if err != nil {
		return misuse{err}
	}
	begun := time.Now()
	module, err := buildProject(ctx, t, p)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	text, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	m, err := manifestOf(p)
	if err != nil {
		return err
	}
	found, err := inspect(ctx, module, text, "", m)
	if err != nil {
		return err
	}
	if g.JSON {
		if err := t.json(map[string]any{"module": module, "language": p.Language.Name, "bytes": len(text), "seconds": took.Seconds(), "inspection": found}); err != nil {
			return err
		}
	} else if err := t.printf("%s: %s, built in %.1f s\n", module, humanize.IBytes(uint64(len(text))), took.Seconds()); err != nil {
		return err
	}
	if len(found.Problems) == 0 {
		return nil
	}
	for _, problem := range found.Problems {
		t.complain("it would be refused: %s\n", problem)
	}
	return refused{}
}

// manifestOf is a project's, which is beside its source rather than beside the module.
func manifestOf(p *project.Project) (manifest, error) {
	return readManifest("", filepath.Join(p.Dir, p.Name))
}

// buildProject builds a project, with what its tools say on standard error.
func buildProject(ctx context.Context, t *terminal, p *project.Project) (module string, err error) {
	module, err = p.Build(ctx, t.err)
	if missing, ok := errors.AsType[*project.MissingError](err); ok {
		return "", misuse{missing}
	}
	return module, err
}
