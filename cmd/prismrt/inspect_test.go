package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/script"
)

func TestInspectSaysWhatAModuleIsAndEndsWithOneWhereItIsRefused(t *testing.T) {
	type report struct {
		ABI       string
		Bytes     int
		Rewritten int `json:"rewritten_bytes"`
		Functions []string
		Imports   []struct {
			Name string
			By   string `json:"provided_by"`
			Note string
		}
		Image    *struct{ Possible bool }
		Begins   string
		Problems []string
	}
	inspect := func(name string, module []byte, args ...string) (r report, code int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		writeFile(t, path, string(module))
		out, stderr, code := command(t, nil, append([]string{"inspect", "--json", path}, args...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%s: %v in %s%s", name, err, out, stderr)
		}
		return r, code
	}

	r, code := inspect("telling.wasm", telling(1))
	if code != 0 || r.ABI != "prism" || r.Begins != "start" || len(r.Functions) != 1 || len(r.Problems) != 0 || r.Image == nil || !r.Image.Possible || r.Rewritten == 0 {
		t.Errorf("handlers: %d %+v", code, r)
	}
	if len(r.Imports) != 1 || r.Imports[0].By != "prism" {
		t.Errorf("imports %+v", r.Imports)
	}
	r, code = inspect("guest.wasm", obedient(t))
	if code != 0 || r.ABI != "command" || r.Begins != "checkpoint" {
		t.Errorf("a program in Go: %d %+v", code, r)
	}
	notes := make(map[string]string)
	for _, i := range r.Imports {
		if i.By != "WASI preview 1" {
			t.Errorf("%s is provided by %q", i.Name, i.By)
		}
		notes[i.Name] = i.Note
	}
	if got := notes["wasi_snapshot_preview1.environ_get"]; !strings.Contains(got, "grants.config of the manifest: nothing") {
		t.Errorf("environ_get, which is in every program in Go: %q", got)
	}

	r, code = inspect("handlers.wasm", telling(1), "--abi", "command")
	if code != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "must export _start, and it does not") {
		t.Errorf("handlers for a command: %d %+v", code, r)
	}
	r, code = inspect("text.wasm", []byte("print('hello')"))
	if code != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "upload the .wasm file") || r.Image != nil {
		t.Errorf("text: %d %+v", code, r)
	}

	manifest := filepath.Join(t.TempDir(), "manifest.toml")
	writeFile(t, manifest, "abi = \"cgi\"\n[grants.config]\nregion = \"eu\"\n[limits]\nmemory = \"64KiB\"\n")
	r, code = inspect("small.wasm", obedient(t), "--manifest", manifest)
	if code != 1 || r.ABI != "cgi" || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "limits.memory is 64KiB") {
		t.Errorf("a program without room: %d %+v", code, r)
	}
	for _, i := range r.Imports {
		if i.Name == "wasi_snapshot_preview1.environ_get" && i.Note != "grants.config of the manifest: region" {
			t.Errorf("%+v", i)
		}
	}
	writeFile(t, manifest, "grants.http = [\"a.example\"]\n")
	if r, code = inspect("telling.wasm", telling(1), "--manifest", manifest); code != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "only Extism plug-ins") {
		t.Errorf("a grant that it cannot use: %d %+v", code, r)
	}
	writeFile(t, manifest, "function = \"score\"\n")
	if r, code = inspect("telling.wasm", telling(1), "--manifest", manifest); code != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "exports no such handler") {
		t.Errorf("a function that is not there: %d %+v", code, r)
	}

	path := filepath.Join(t.TempDir(), "guest.wasm")
	writeFile(t, path, string(obedient(t)))
	out, _, code := command(t, nil, "inspect", path)
	for _, want := range []string{"contract   command", "rewinding  puts back its memory and mutable globals", "go on from where the program first reads its input", "grants.config of the manifest: nothing"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and %q is missing in:\n%s", code, want, out)
		}
	}
}

func TestInspectSaysWhatAScriptRunsInWithoutRunningIt(t *testing.T) {
	for _, name := range script.Names() {
		language, err := script.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "handler"+language.Suffix)
		writeFile(t, path, "this is not looked at (")
		writeFile(t, filepath.Join(filepath.Dir(path), "prism.toml"), "[grants.config]\nregion = \"eu\"\n")
		out, stderr, code := command(t, nil, "inspect", "--json", path, "--url", "http://127.0.0.1:1")
		var r struct {
			ABI, Begins, Manifest string
			Config, Problems      []string
			Script                struct{ Runtime, Interpreter string }
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
			t.Fatalf("%d, %v: %s%s", code, err, out, stderr)
		}
		if r.ABI != "script" || r.Begins != "checkpoint" || r.Script.Runtime != name || r.Script.Interpreter != string(language.Source.Digest) ||
			len(r.Config) != 1 || r.Config[0] != "region" || len(r.Problems) != 0 || r.Manifest == "" {
			t.Errorf("%s: %+v", name, r)
		}
		out, _, code = command(t, nil, "inspect", path)
		for _, want := range []string{"contract   script", "prismrt runtime add " + name, "prismrt push " + path, "from where the script's top level ended", "config of the manifest: region"} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("exit code %d, and %q is missing in:\n%s", code, want, out)
			}
		}
		for manifest, want := range map[string]string{
			"abi = \"script\"":                "",
			"abi = \"command\"":               "leave it out",
			"function = \"score\"":            "function is \"score\"",
			"args = [\"-v\"]":                 "use grants.config",
			"image = \"off\"":                 "image is off",
			"grants.http = [\"a.example\"]":   "Extism plug-ins",
			"grants.mail = true":              "unknown key grants.mail",
			"limits.memory = \"99TiB\"":       "this server allows",
			"health.expect = \"without one\"": "health.input",
		} {
			writeFile(t, filepath.Join(filepath.Dir(path), "prism.toml"), manifest)
			out, _, code := command(t, nil, "inspect", path)
			if refused := want != ""; (code == 1) != refused || strings.Contains(out, "problem: ") != refused || !strings.Contains(out, want) {
				t.Errorf("%s: exit code %d: %s", manifest, code, out)
			}
		}
	}
}
