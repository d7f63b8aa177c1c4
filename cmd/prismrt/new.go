package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/marketprism/prismrt/cmd/internal/project"
	"github.com/marketprism/prismrt/plugins"
)

type newCmd struct {
	Name string `arg:"" help:"The plugin's name, and the folder's."`
	Lang string `placeholder:"LANGUAGE" help:"What it is written in: ${languages}."`
	Dir  string `placeholder:"DIR" help:"The folder. Default: the name, below this one."`
	SDK  string `name:"sdk" placeholder:"DIR" type:"existingdir" help:"The folder \"sdk\" of a clone of prismrt, for languages that get their SDK as a package. Default: of the clone that this prismrt was built in, else as it is published."`
}

// languages are their names, in a list.
func languages() string {
	var names []string
	for _, l := range project.Languages {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// Help is shown by "prismrt new --help".
func (*newCmd) Help() string {
	return `Makes a folder with a handler, its test and a manifest, which builds as it stands.

Example:

  prismrt new greet --lang go && cd greet && prismrt dev`
}

// Run makes the project.
func (n *newCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	l := project.Lookup(n.Lang)
	switch {
	case n.Lang == "":
		return misuse{fmt.Errorf("say what it is written in, with --lang: %s", languages())}
	case l == nil:
		return misuse{fmt.Errorf("there is no %q to write plugins in here; --lang is one of %s", n.Lang, languages())}
	case plugins.CheckName(n.Name) != nil:
		return misuse{fmt.Errorf("%q cannot name a plugin: a name is up to 63 of a-z 0-9 . _ - and begins with a letter or a digit", n.Name)}
	}
	dir := n.Dir
	if dir == "" {
		dir = n.Name
	}
	sdk := n.SDK
	if sdk == "" {
		sdk = builtSDK()
	}
	p, files, err := project.New(dir, n.Name, l, sdk)
	if err != nil {
		return misuse{err}
	}
	missing := l.Check(ctx)
	if g.JSON {
		return t.json(map[string]any{"dir": p.Dir, "language": l.Name, "files": files, "missing": messageOf(missing)})
	}
	text := fmt.Sprintf("made %s, in %s: %s\n", dir, l.Title, strings.Join(files, ", "))
	if missing != nil {
		text += "\n" + missing.Error() + "\n"
	}
	return t.printf("%s\nnext:\n  cd %s\n  %s\n  prismrt dev\n", text, dir, strings.Join(p.Prepare(), "\n  "))
}

// messageOf is an error's text, nil without one.
func messageOf(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}

// builtSDK is the folder of the SDKs where this binary lies in the clone that it was built in;
// "": it does not.
func builtSDK() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Join(filepath.Dir(filepath.Dir(self)), "sdk")
	if _, err := os.Stat(filepath.Join(dir, "go", "go.mod")); err != nil {
		return ""
	}
	return dir
}
