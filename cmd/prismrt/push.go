package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/marketprism/prismrt/cmd/internal/project"
	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/sdk/client"
)

// manifestBeside is the manifest a push takes when it is told of none.
const manifestBeside = project.Manifest

type pushCmd struct {
	File     string   `arg:"" name:"file" help:"The module, a .wasm file, or a script, such as handler.py."`
	Runtime  string   `placeholder:"NAME" help:"The language of a script. Default: by the file's ending."`
	Name     string   `placeholder:"NAME" help:"The plugin. Default: the manifest's name, else the file's without its ending."`
	Manifest string   `placeholder:"FILE" help:"The manifest, TOML or JSON by its ending. Default: prism.toml beside the file, when there is one."`
	Link     []string `placeholder:"NAME=FILE" sep:"none" help:"A module that an Extism plug-in imports from, by the name it does so. May be given several times."`
	NoLive   bool     `name:"no-live" help:"Only store the version; calls go on to the live one."`
}

// Help is shown by "prismrt push --help".
func (*pushCmd) Help() string {
	return `The server checks, compiles and starts the module before the name leads to it. An
upload that fails leaves the live version serving.

Examples:

  prismrt push normalise.wasm
  prismrt push build/out.wasm --name normalise --manifest normalise.toml
  prismrt push handler.py --name greet
  prismrt push normalise.wasm --no-live && prismrt live normalise 2`
}

// Run uploads the module.
func (p *pushCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	m, err := readManifest(p.Manifest, p.File)
	if err != nil {
		return err
	}
	v, created, err := p.upload(ctx, t, server, m)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(v)
	}
	call := curl(server.InvokeURL(v.Name, function(v)), g.Key != "")
	if v.ABI == string(task.ABICGI) {
		call = "curl -sS " + shellQuote(server.EndpointURL(v.Name))
	}
	return t.printf("%s%s", outcome(v, created), details(v, m, call))
}

// upload uploads the module or the script with a manifest, and tells whether that made a
// version.
func (p *pushCmd) upload(ctx context.Context, t *terminal, server *client.Client, m manifest) (*client.Version, bool, error) {
	module, err := readCode(p.File)
	if err != nil {
		return nil, false, err
	}
	name, err := p.plugin(m)
	if err != nil {
		return nil, false, err
	}
	language, err := p.language()
	if err != nil {
		return nil, false, err
	}
	if language != nil && len(p.Link) > 0 {
		return nil, false, misuse{fmt.Errorf("--link is for Extism plug-ins, and %s is a script", p.File)}
	}
	if module, err = p.linked(module); err != nil {
		return nil, false, misuse{err}
	}
	opts := client.PushOptions{Manifest: m.text, ManifestType: m.mediaType, NotLive: p.NoLive}
	if language != nil {
		opts.Runtime, opts.File = language.Name, filepath.Base(p.File)
	}
	if t.watched {
		bar := newUploadBar(t.err)
		defer bar.stop()
		opts.Progress = bar.progress
	}
	return server.Push(ctx, name, module, opts)
}

// readCode reads a module or a script.
func readCode(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, misuse{fmt.Errorf("cannot read the module: %s is a folder; name a file (\"prismrt build\" says where it puts the one of a project)", path)}
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, misuse{fmt.Errorf("cannot read the module: %w", err)}
	}
	return code, nil
}

// linked is the module with those that it is to be linked with.
func (p *pushCmd) linked(module []byte) ([]byte, error) {
	for _, text := range p.Link {
		name, file, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--link is %q; write the name of the module and its file, such as lib=lib.wasm", text)
		}
		other, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read the linked module: %w", err)
		}
		module = wasm.Link(module, wasm.Linked{Name: name, Module: other})
	}
	return module, nil
}

// language is what a script is written in, nil for a module.
func (p *pushCmd) language() (*script.Language, error) {
	if p.Runtime == "" {
		return script.OfFile(p.File), nil
	}
	l, err := script.Named(p.Runtime)
	if err != nil {
		return nil, misuse{fmt.Errorf("--runtime: %s", task.FaultOf(err).Message)}
	}
	return l, nil
}

// manifest is the manifest of a push. The zero manifest is none.
type manifest struct {
	path      string
	found     bool // beside the module, without being asked for
	text      []byte
	mediaType string
}

// readManifest reads the file that was asked for, or the one beside the module.
func readManifest(asked, module string) (manifest, error) {
	m := manifest{path: asked, mediaType: client.ManifestTOML}
	if m.path == "" {
		m.path, m.found = filepath.Join(filepath.Dir(module), manifestBeside), true
	}
	if strings.EqualFold(filepath.Ext(m.path), ".json") {
		m.mediaType = client.ManifestJSON
	}
	text, err := os.ReadFile(m.path)
	if m.found && errors.Is(err, fs.ErrNotExist) {
		return manifest{}, nil
	}
	if err != nil {
		return manifest{}, misuse{fmt.Errorf("cannot read the manifest: %w", err)}
	}
	// A manifest that was given and is empty must not be taken for none.
	m.text = append([]byte{}, text...)
	return m, nil
}

// parse reads the manifest as the server does.
func (m manifest) parse() (plugins.Manifest, error) {
	if m.mediaType == client.ManifestJSON {
		return plugins.ParseJSON(m.text)
	}
	return plugins.ParseTOML(m.text)
}

// name returns the plugin's name in the manifest, empty when it holds none. The
// server judges the rest.
func (m manifest) name() (string, error) {
	var named struct {
		Name string `toml:"name" json:"name"`
	}
	var err error
	switch {
	case m.text == nil:
	case m.mediaType == client.ManifestJSON:
		err = json.Unmarshal(m.text, &named)
	default:
		err = toml.Unmarshal(m.text, &named)
	}
	if err != nil {
		return "", misuse{fmt.Errorf("cannot read the manifest: %s: %w", m.path, err)}
	}
	return named.Name, nil
}

// plugin returns the name to push to: the flag's, the manifest's or the file's.
func (p *pushCmd) plugin(m manifest) (string, error) {
	name, from := p.Name, "--name"
	if name == "" {
		var err error
		if name, err = m.name(); err != nil {
			return "", err
		}
		from = m.path
	}
	if name == "" {
		name, from = filepath.Base(p.File), "the file"
		ending := ".wasm"
		if l, err := p.language(); err == nil && l != nil {
			ending = filepath.Ext(name)
		}
		name = strings.TrimSuffix(name, ending)
		if lower := strings.ToLower(name); plugins.CheckName(lower) == nil {
			name = lower
		}
	}
	if plugins.CheckName(name) != nil {
		return "", misuse{fmt.Errorf("%q, from %s, cannot name a plugin: a name is up to 63 of a-z 0-9 . _ - and begins with "+
			"a letter or a digit; choose one with --name", name, from)}
	}
	return name, nil
}

// outcome says in a sentence what the push came to.
func outcome(v *client.Version, created bool) string {
	stored := "is stored"
	if !created {
		stored = "was stored before, with the same module and manifest"
	}
	switch {
	case v.Live && created:
		return fmt.Sprintf("%s version %d is live\n", v.Name, v.Number)
	case v.Live:
		return fmt.Sprintf("%s version %d %s; it is live\n", v.Name, v.Number, stored)
	default:
		return fmt.Sprintf("%s version %d %s; it is not live: prismrt live %s %d\n", v.Name, v.Number, stored, v.Name, v.Number)
	}
}

// details lists what the server found out about a version, and how to call it.
func details(v *client.Version, m manifest, call string) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", name, value)
		}
	}
	line("digest", v.Digest)
	line("size", size(v.Bytes))
	line("contract", v.ABI)
	if v.Script != nil {
		line("runtime", v.Script.Runtime+" "+shortDigest(v.Script.Interpreter))
	}
	line("functions", strings.Join(v.Functions, ", "))
	if m.found {
		line("manifest", m.path+", found beside the module")
	} else {
		line("manifest", m.path)
	}
	line("call it", call)
	return b.String()
}

// function returns the handler to name in a call: none when there is a default,
// else the first.
func function(v *client.Version) string {
	if len(v.Functions) == 0 || slices.Contains(v.Functions, v.Function) {
		return ""
	}
	return v.Functions[0]
}

// curl returns a command that calls the address from a shell.
func curl(address string, withKey bool) string {
	key := ""
	if withKey {
		key = `-H "Authorization: Bearer $PRISM_KEY" ` // the key itself does not belong on a screen
	}
	return fmt.Sprintf("curl -sS %s--data-binary 'your input' %s", key, shellQuote(address))
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellQuote returns s as one word of a POSIX shell.
func shellQuote(s string) string {
	if shellSafe.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
