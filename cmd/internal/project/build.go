package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// step is a command of a build, made in the project's folder.
type step struct {
	argv []string
	env  []string // besides the process's own
}

// tool is what a build takes.
type tool struct {
	name     string // of the program
	variable string // of the environment, that names another; "": there is none
	install  string // a sentence

	// probe is arguments with which it builds a source for WebAssembly; nil: it is enough that
	// it is there.
	probe  func(source, out string) []string
	source string
}

func (t *tool) program() string {
	if t.variable == "" {
		return t.name
	}
	return cmp.Or(os.Getenv(t.variable), t.name)
}

// try builds the source, and returns what the tool said where that failed.
func (t *tool) try(ctx context.Context, program string) (said string, err error) {
	dir, err := os.MkdirTemp("", "prismrt-probe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte(t.source), 0o600); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, program, t.probe(source, filepath.Join(dir, "out"))...).CombinedOutput()
	return string(out), err
}

// MissingError is a tool that is not there, or cannot build for WebAssembly.
type MissingError struct {
	Language *Language
	Tool     string
	Install  string // what to do, a sentence
	Said     string // what the tool said; "": it is not there
}

func (e *MissingError) Error() string {
	what := "is not here"
	if e.Said != "" {
		what = "cannot build for WebAssembly (" + e.Said + ")"
	}
	return fmt.Sprintf("building %s takes %s, which %s; %s", e.Language.Title, e.Tool, what, e.Install)
}

// Check says which tool is missing, in a *MissingError.
func (l *Language) Check(ctx context.Context) error {
	for _, t := range l.needs {
		path, err := exec.LookPath(t.program())
		if err != nil {
			return &MissingError{Language: l, Tool: t.program(), Install: t.install}
		}
		if t.probe == nil {
			continue
		}
		if said, err := t.try(ctx, path); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &MissingError{Language: l, Tool: t.program(), Install: t.install, Said: lastLine(said, err)}
		}
	}
	if l.check != nil {
		return l.check(ctx, l)
	}
	return nil
}

func lastLine(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

// FailedError is a build that the language's own tools refused. They have said why.
type FailedError struct {
	Command string
	err     error
}

func (e *FailedError) Error() string { return fmt.Sprintf("%s: %v", e.Command, e.err) }

func (e *FailedError) Unwrap() error { return e.err }

// Build makes the module, and returns where it is: a .wasm file, or a script as it stands.
// What the tools say goes to log. The error is a *MissingError, a *FailedError, or ctx's cause.
func (p *Project) Build(ctx context.Context, log io.Writer) (module string, err error) {
	steps, module := p.Language.build(ctx, p)
	for _, s := range steps {
		if err := p.run(ctx, log, s); err != nil {
			// Trying the tools takes as long as a small build: it is done where it explains something.
			if missing, ok := errors.AsType[*MissingError](p.Language.Check(ctx)); ok {
				return "", missing
			}
			return "", err
		}
	}
	if _, err := os.Stat(module); err != nil {
		return "", &FailedError{p.Language.Title + " built no module", err}
	}
	return module, nil
}

// grace is how long the commands of a build have to end when they are interrupted, before
// they are killed.
const grace = 500 * time.Millisecond

func (p *Project) run(ctx context.Context, log io.Writer, s step) error {
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Env = p.Dir, append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = grace
	inGroup(cmd)
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		killGroup(cmd)
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return &MissingError{Language: p.Language, Tool: s.argv[0], Install: "install it, and put it where PATH leads"}
	case err != nil:
		return &FailedError{strings.Join(append(s.env, s.argv...), " "), err}
	}
	return nil
}
