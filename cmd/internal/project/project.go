// Package project makes, recognises and builds the folders in which plugins are written.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Manifest is the file of a project that is uploaded with its module.
const Manifest = "prism.toml"

// Project is a folder with the source of one plugin.
type Project struct {
	Dir      string
	Name     string // of the plugin: the manifest's, or the folder's
	Language *Language
}

// Open tells what a folder is. The error says what was looked for.
func Open(dir string) (*Project, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s", dir)
	}
	p := &Project{Name: filepath.Base(dir)}
	if p.Dir, err = filepath.EvalSymlinks(dir); err != nil { // walking a link would go nowhere
		return nil, err
	}
	n := slices.IndexFunc(Languages, func(l *Language) bool { return l.marks(p) })
	if n < 0 {
		var marks []string
		for _, l := range Languages {
			marks = append(marks, l.mark)
		}
		return nil, fmt.Errorf("%s is no project that prismrt can build: there is none of %s; \"prismrt new\" makes one", dir, strings.Join(marks, ", "))
	}
	p.Language = Languages[n]
	text, err := os.ReadFile(p.path(Manifest))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	var named struct {
		Name string `toml:"name"`
	}
	if err == nil {
		err = toml.Unmarshal(text, &named)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.path(Manifest), err)
	}
	if named.Name != "" {
		p.Name = named.Name
	}
	return p, nil
}

func (p *Project) path(name string) string { return filepath.Join(p.Dir, name) }

func (p *Project) has(name string) bool {
	info, err := os.Stat(p.path(name))
	return err == nil && info.Mode().IsRegular()
}

// contains tells whether a file has some text in it.
func (p *Project) contains(name, text string) bool {
	b, err := os.ReadFile(p.path(name))
	return err == nil && strings.Contains(string(b), text)
}

// Made tells whether what happened to a file of the project is of a build or of others, not
// of its author: then it is not to be built again. The path is relative to Dir.
func (p *Project) Made(path string) bool {
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, "~") || part == serverData || slices.Contains(p.Language.makes, part) {
			return true
		}
	}
	return strings.HasSuffix(path, ".wasm") || strings.HasSuffix(path, ".log")
}

// serverData is where a server keeps its data that was started in the project's folder.
const serverData = "prismrt-data"

// Prepare is what its author types before the first build: commands that get what is not in
// the folder, and the one that tests it.
func (p *Project) Prepare() []string {
	var commands []string
	if prepare := p.Language.prepare; prepare != nil {
		commands = prepare(p)
	}
	return append(commands, strings.Join(p.Language.Test, " "))
}
