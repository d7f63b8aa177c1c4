package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// uploads answers pushes and remembers the last one.
type uploads struct {
	status int
	live   bool

	function string // the default handler of handle and score

	name, query, module, manifest, manifestType string
}

func (u *uploads) routes(t *testing.T) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"PUT /v1/plugins/{name}": func(w http.ResponseWriter, r *http.Request) {
		u.name, u.query, u.module, u.manifest, u.manifestType = r.PathValue("name"), r.URL.RawQuery, "", "", ""
		read := func(from io.Reader) string {
			b, err := io.ReadAll(from)
			if err != nil {
				t.Error(err)
			}
			return string(b)
		}
		if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "application/wasm" {
			u.module = read(r.Body)
		} else {
			form, err := r.MultipartReader()
			if err != nil {
				t.Error(err)
				return
			}
			for part, err := form.NextPart(); err == nil; part, err = form.NextPart() {
				switch part.FormName() {
				case "module":
					u.module = read(part)
				case "manifest":
					u.manifest, u.manifestType = read(part), part.Header.Get("Content-Type")
				}
			}
		}
		w.WriteHeader(u.status)
		_, _ = fmt.Fprintf(w, `{"namespace":"default","name":%q,"version":3,"live":%v,"digest":"sha256:9f2c","bytes":1900000,"abi":"prism",
			"function":%q,"functions":["handle","score"],"grants":{},"manifest":{},"created_at":"2026-11-23T20:00:00.123Z"}`, u.name, u.live, u.function)
	}}
}

func TestPushSaysWhatWasFoundAndHowToCallIt(t *testing.T) {
	u := &uploads{status: 201, live: true, function: "handle"}
	s := newShell(t, u.routes(t))
	s.run(0, "push", writeFile(t, t.TempDir(), "Normalise.wasm", "\x00asm"))
	if u.name != "normalise" || u.module != "\x00asm" || u.manifest != "" || u.query != "" {
		t.Errorf("the server got %+v", u)
	}
	want := "normalise version 3 is live\n" +
		"  digest     sha256:9f2c\n" +
		"  size       1.8 MiB\n" +
		"  contract   prism\n" +
		"  functions  handle, score\n" +
		"  call it    curl -sS --data-binary 'your input' " + s.url + "/v1/plugins/normalise/invoke\n"
	if s.out != want {
		t.Errorf("it says\n%swant\n%s", s.out, want)
	}
	if s.err != "" {
		t.Errorf("it wrote to standard error: %q", s.err)
	}
}

func TestTheCurlLineNamesAFunctionWhenThereIsNoDefault(t *testing.T) {
	u := &uploads{status: 201, live: true, function: "absent"}
	s := newShell(t, u.routes(t))
	s.run(0, "push", writeFile(t, t.TempDir(), "a.wasm", "\x00asm"))
	contains(t, s.out, s.url+"/v1/plugins/a/invoke/handle\n")
}

func TestPushTellsNewFromStoredAndLiveFromNot(t *testing.T) {
	module := writeFile(t, t.TempDir(), "a.wasm", "\x00asm")
	for _, tt := range []struct {
		status int
		live   bool
		args   []string
		query  string
		want   string
	}{
		{201, true, nil, "", "a version 3 is live\n"},
		{201, false, []string{"--no-live"}, "live=false", "a version 3 is stored; it is not live: prismrt live a 3\n"},
		{200, true, nil, "", "a version 3 was stored before, with the same module and manifest; it is live\n"},
		{200, false, []string{"--no-live"}, "live=false", "a version 3 was stored before, with the same module and manifest; it is not live: prismrt live a 3\n"},
	} {
		u := &uploads{status: tt.status, live: tt.live}
		s := newShell(t, u.routes(t))
		s.run(0, append([]string{"push", module}, tt.args...)...)
		if u.query != tt.query {
			t.Errorf("query is %q, want %q", u.query, tt.query)
		}
		if !strings.HasPrefix(s.out, tt.want) {
			t.Errorf("it says\n%swant it to begin with\n%s", s.out, tt.want)
		}
	}
}

func TestPushFindsNameAndManifest(t *testing.T) {
	const named, unnamed = `name = "from-manifest"`, "[limits]\ntimeout = \"2s\""
	for name, tt := range map[string]struct {
		beside string // prism.toml beside the module
		args   []string

		plugin, manifest, mediaType, says string
	}{
		"a manifest beside the module names the plugin": {
			named, nil,
			"from-manifest", named, "application/toml", "prism.toml, found beside the module",
		},
		"a manifest without a name leaves it to the file": {
			unnamed, nil,
			"a", unnamed, "application/toml", "prism.toml, found beside the module",
		},
		"the flag wins over the manifest's name": {
			named,
			[]string{"--name", "b"},
			"b", named, "application/toml", "prism.toml, found beside the module",
		},
		"a manifest that was asked for wins over the one beside": {
			named,
			[]string{"--manifest", "DIR/other.json"},
			"from-json", `{"name":"from-json"}`, "application/json", "other.json\n",
		},
		"without any manifest the module goes alone": {"", nil, "a", "", "", "contract"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			module := writeFile(t, dir, "A.wasm", "\x00asm")
			writeFile(t, dir, "other.json", `{"name":"from-json"}`)
			if tt.beside != "" {
				writeFile(t, dir, "prism.toml", tt.beside)
			}
			u := &uploads{status: 201, live: true}
			s := newShell(t, u.routes(t))
			args := []string{"push", module}
			for _, arg := range tt.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			s.run(0, args...)
			if u.name != tt.plugin || u.manifest != tt.manifest || u.manifestType != tt.mediaType || u.module != "\x00asm" {
				t.Errorf("the server got %+v", u)
			}
			contains(t, s.out, tt.says)
			if tt.manifest == "" && strings.Contains(s.out, "manifest") {
				t.Errorf("it speaks of a manifest that was not sent:\n%s", s.out)
			}
		})
	}
}

func TestPushRefusesWhatCannotBeSent(t *testing.T) {
	dir := t.TempDir()
	module := writeFile(t, dir, "my plugin.wasm", "\x00asm")
	broken := writeFile(t, dir, "broken.toml", "name = ")
	brokenJSON := writeFile(t, dir, "broken.json", "{")
	script := writeFile(t, dir, "handler.py", "def handle(input): pass")
	badName := writeFile(t, dir, "bad.toml", `name = "Über"`)
	s := newShell(t, nil)
	for _, tt := range []struct{ args, says []string }{
		{[]string{module}, []string{`"my plugin"`, "cannot name a plugin", "--name"}},
		{[]string{module, "--name", "Upper"}, []string{`"Upper"`, "--name"}},
		{[]string{module, "--name", strings.Repeat("a", 64)}, []string{"up to 63"}},
		{[]string{module, "--manifest", badName}, []string{`"Über"`, "bad.toml"}},
		{[]string{module, "--manifest", broken}, []string{"broken.toml", "cannot read the manifest"}},
		{[]string{module, "--manifest", brokenJSON}, []string{"broken.json", "cannot read the manifest"}},
		{[]string{module, "--manifest", filepath.Join(dir, "none.toml")}, []string{"none.toml", "cannot read the manifest"}},
		{[]string{dir}, []string{"cannot read the module"}},
		{[]string{script, "--link", "lib=" + module}, []string{"handler.py is a script"}},
	} {
		s.run(2, append([]string{"push"}, tt.args...)...)
		contains(t, s.err, tt.says...)
	}
}

func TestAnEmptyManifestIsSentAllTheSame(t *testing.T) {
	dir := t.TempDir()
	module := writeFile(t, dir, "a.wasm", "\x00asm")
	writeFile(t, dir, "prism.toml", "")
	u := &uploads{status: 201, live: true}
	newShell(t, u.routes(t)).run(0, "push", module)
	if u.manifestType != "application/toml" {
		t.Errorf("the server got %+v, want a form with an empty manifest", u)
	}
}

func TestPushAsJSONIsTheVersion(t *testing.T) {
	u := &uploads{status: 201, live: true}
	s := newShell(t, u.routes(t))
	s.run(0, "push", "--json", writeFile(t, t.TempDir(), "a.wasm", "\x00asm"))
	var v struct {
		Name      string
		Version   int
		Functions []string
		CreatedAt string `json:"created_at"`
	}
	if err := json.Unmarshal([]byte(s.out), &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, s.out)
	}
	if v.Name != "a" || v.Version != 3 || len(v.Functions) != 2 || v.CreatedAt != "2026-11-23T20:00:00.123Z" {
		t.Errorf("the version is %+v", v)
	}
}

func TestTheCurlLineRunsInAShell(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "curl", "#!/bin/sh\nprintf '<%s>' \"$@\"\n")
	if err := os.Chmod(filepath.Join(dir, "curl"), 0o700); err != nil {
		t.Fatal(err)
	}
	for address, withKey := range map[string]bool{
		"http://127.0.0.1:8080/v1/plugins/a/invoke": false,
		"http://host/it's $HOME;a/v1":               true,
	} {
		command := exec.Command("sh", "-c", curl(address, withKey))
		command.Env = []string{"PATH=" + dir, "PRISM_KEY=k e y"}
		got, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		want := "<-sS><--data-binary><your input><" + address + ">"
		if withKey {
			want = "<-sS><-H><Authorization: Bearer k e y><--data-binary><your input><" + address + ">"
		}
		if string(got) != want {
			t.Errorf("curl is run with %s, want %s", got, want)
		}
	}
}

func TestABarAppearsOnlyForUploadsThatTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		quick := newUploadBar(&screen)
		quick.progress(10, 100)
		quick.progress(100, 100)
		quick.stop()
		if screen.Len() != 0 {
			t.Errorf("a quick upload drew %q", screen.String())
		}

		slow := newUploadBar(&screen)
		slow.progress(10<<10, 100<<10)
		time.Sleep(time.Minute)
		slow.progress(50<<10, 100<<10)
		contains(t, screen.String(), "uploading", "50%")
		slow.stop()
		drawn := screen.Len()
		slow.progress(100<<10, 100<<10) // the connection may still be reading
		if screen.Len() != drawn {
			t.Errorf("a bar that was stopped drew %q", screen.String()[drawn:])
		}
	})
}
