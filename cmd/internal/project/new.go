package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	prismsdk "github.com/marketprism/prismrt/sdk"
)

// templates have a folder for each language. A file's name ends with .tmpl, and begins with
// "dot" where that stands for a dot.
//
//go:embed templates
var templates embed.FS

// New makes a project in a folder that is not there, or is empty, and returns the files that
// it wrote, as paths below the folder. sdk is the folder "sdk" of a clone of the repository,
// which languages refer to that get their SDK as a package; "": where it is published.
func New(dir, name string, l *Language, sdk string) (_ *Project, files []string, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, nil, fmt.Errorf("%s is there already, and not empty; choose another name, or another folder with --dir", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if sdk != "" {
		if sdk, err = filepath.Abs(sdk); err != nil {
			return nil, nil, err
		}
	}
	m := &maker{dir: dir}
	m.data.Name, m.data.Crate, m.data.SDK, m.data.Title = name, crate(name), filepath.ToSlash(sdk), l.Title
	m.expand("templates/" + l.Name)
	for _, file := range l.carries {
		m.copy(file, path.Join(l.into, path.Base(file)))
	}
	p := &Project{Dir: dir, Name: name, Language: l}
	m.data.Prepare = p.Prepare()
	m.expand("templates/all")
	if m.err != nil {
		return nil, m.files, fmt.Errorf("make %s: %w", dir, m.err)
	}
	p, err = Open(dir)
	return p, m.files, err
}

// maker writes files until that fails.
type maker struct {
	dir  string
	data struct {
		Name, Crate, SDK, Title string
		Prepare                 []string
	}
	files []string // that it wrote
	err   error
}

// expand writes the templates in a folder of them.
func (m *maker) expand(from string) {
	if m.err != nil {
		return
	}
	m.err = fs.WalkDir(templates, from, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templates.ReadFile(file)
		if err != nil {
			return err
		}
		t, err := template.New(file).Delims("<<", ">>").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, m.data); err != nil {
			return err
		}
		to := strings.TrimSuffix(strings.TrimPrefix(file, from+"/"), ".tmpl")
		if base, dotted := strings.CutPrefix(path.Base(to), "dot"); dotted {
			to = path.Join(path.Dir(to), "."+base)
		}
		m.write(to, b.Bytes())
		return m.err
	})
}

// copy writes a file of package sdk.
func (m *maker) copy(file, to string) {
	text, err := prismsdk.Files.ReadFile(file)
	if m.err == nil && err != nil {
		m.err = err
	}
	m.write(to, text)
}

func (m *maker) write(name string, text []byte) {
	if m.err != nil {
		return
	}
	file := filepath.Join(m.dir, filepath.FromSlash(name))
	if m.err = os.MkdirAll(filepath.Dir(file), 0o777); m.err == nil {
		m.err = os.WriteFile(file, text, 0o666) //nolint:gosec // source, as editors make it
		m.files = append(m.files, filepath.FromSlash(name))
	}
}

// crate is a plugin's name as packages can have it that do without dots, and begin with a
// letter.
func crate(name string) string {
	name = strings.ReplaceAll(name, ".", "-")
	if name[0] >= '0' && name[0] <= '9' {
		return "plugin-" + name
	}
	return name
}
