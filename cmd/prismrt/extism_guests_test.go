package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// uploadParts uploads parts that must be taken.
func (s *server) uploadParts(name string, parts map[string][]byte) {
	s.t.Helper()
	body, contentType := formOf(s.t, parts)
	if status, answer := s.do("PUT", "/v1/plugins/"+name, body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload of %s: %d %s", name, status, answer)
	}
}

// refuses uploads parts that must be refused with a sentence.
func (s *server) refuses(want string, parts map[string][]byte) {
	s.t.Helper()
	body, contentType := formOf(s.t, parts)
	s.fails(400, "invalid", want, "PUT", "/v1/plugins/refused", body, "Content-Type", contentType)
}

func TestAnExtismPluginThatHoardsIsEnded(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadParts("hoard", map[string][]byte{"module": extismGuest(t, "vars"), "manifest": []byte("[limits]\nmemory = \"4MiB\"\ntimeout = \"1m\"\n")})
	for range 3 {
		for _, size := range []int{1, 100, 1 << 20} {
			s.fails(422, "memory", "limits.memory, which is 4MiB", "POST", "/v1/plugins/hoard/invoke/hoard", bytes.Repeat([]byte("x"), size))
		}
		if a := s.invoked("hoard", "get", []byte("x"), ""); a.Kind != "guest" {
			t.Errorf("a call after them: %+v", a)
		}
	}
}

func TestExtismPluginsAskTheHostsTheyWereGranted(t *testing.T) {
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
		case "/hang":
			<-r.Context().Done()
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Case", "prism")
		fmt.Fprintf(w, "%s %s body=%s h=%s", r.Method, r.URL.Path, body, r.Header.Get("X-In"))
	}))
	defer asked.Close()
	_, port, _ := net.SplitHostPort(asked.Listener.Addr().String())
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[extism]\nallow_private = true\n")
	s := start(t, t.TempDir(), "--config", config)
	parts := map[string][]byte{"module": extismGuest(t, "vars"), "manifest": fmt.Appendf(nil, "[limits]\ntimeout = \"30s\"\n[grants]\nhttp = [\"127.0.0.1:%s\"]\n", port)}
	s.uploadParts("asks", parts)
	request := func(path string) []byte {
		return fmt.Appendf(nil, `{"url": "%s%s", "method": "PUT", "headers": {"X-In": "in"}}`, asked.URL, path)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			a := s.invoked("asks", "request", request("/a"), "")
			if !strings.HasPrefix(string(a.output), "200 {") || !strings.Contains(string(a.output), `"x-case":"prism"`) || !strings.HasSuffix(string(a.output), "}PUT /a body= h=in") {
				t.Errorf("%s %+v", a.output, a.problem)
			}
		})
	}
	wg.Wait()
	if a := s.queued("plugin=asks&function=request", request("/b"), "s"); !strings.HasSuffix(string(a.output), "}PUT /b body= h=in") {
		t.Errorf("as a task: %s %+v", a.output, a.problem)
	}
	invoke := "/v1/plugins/asks/invoke/request"
	s.fails(422, "trap", "leads to localhost:1, which is not allowed", "POST", invoke, request("/away"))
	s.fails(422, "trap", "is not allowed", "POST", invoke, []byte(`{"url": "http://example.com/"}`))
	s.fails(504, "deadline", "deadline of 200ms", "POST", invoke, request("/hang"), "Prism-Timeout", "200ms")
	s.refuses(`grants.http: "*" cannot be a host`, map[string][]byte{"module": parts["module"], "manifest": []byte("[grants]\nhttp = [\"*\"]\n")})

	// An operator has to say that manifests may lead to the inside of the network.
	s = start(t, t.TempDir())
	s.uploadParts("asks", parts)
	s.fails(422, "trap", "not a public address", "POST", invoke, request("/a"))
}

func TestLinkedModulesAreOfTheCall(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	module, lib := extismGuest(t, "main"), extismGuest(t, "lib")
	s.uploadParts("linked", map[string][]byte{"module": module, "module.lib": lib, "manifest": []byte("[limits]\ntimeout = \"30s\"\nfuel = 3_000_000\n")})
	calls := func() {
		t.Helper()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if a := s.invoked("linked", "twice", nil, ""); string(a.output) != "12" {
						t.Errorf("%q, %+v", a.output, a.problem)
					}
				}
			})
		}
		wg.Wait()
		s.fails(422, "fuel", "fuel of 3000000", "POST", "/v1/plugins/linked/invoke/spins", nil)
		s.fails(422, "trap", "unreachable", "POST", "/v1/plugins/linked/invoke/booms", nil)
		if a := s.invoked("linked", "twice", nil, ""); string(a.output) != "12" {
			t.Errorf("after those that failed: %q, %+v", a.output, a.problem)
		}
	}
	calls()
	var p struct{ Versions []struct{ Digest string } }
	_, before := s.do("GET", "/v1/plugins/linked", nil)
	s.stop()
	s = start(t, data)
	calls()
	_, after := s.do("GET", "/v1/plugins/linked", nil)
	if err := json.Unmarshal(after, &p); err != nil || len(p.Versions) != 1 || !strings.Contains(string(before), p.Versions[0].Digest) {
		t.Errorf("after a restart: %s", after)
	}

	s.refuses("a module that you link it with: push --link lib=FILE", map[string][]byte{"module": module})
	s.refuses("lib.count, lib.say, lib.spin and 1 more, which nothing here provides", map[string][]byte{"module": module, "module.lib": extismGuest(t, "vars")})
	s.refuses("give each a name of its own", map[string][]byte{"module": module, "module.lib": lib, "module.extism:host/env": lib})
	s.refuses(`in the linked module "lib", not a WebAssembly module`, map[string][]byte{"module": module, "module.lib": []byte("text")})
	s.refuses("only Extism plug-ins can be linked", map[string][]byte{"module": telling(1), "module.lib": lib})
	s.refuses(`the form has no part "module"`, map[string][]byte{"module.lib": lib})
	many := map[string][]byte{"module": module}
	for n := range 17 {
		many[fmt.Sprint("module.", n)] = lib
	}
	s.refuses("over 16 parts module.NAME", many)
}

// What a plug-in has changed in a linked module while it started, is in no image of its own.
func TestAPluginThatStartsWithALinkedModuleIsSetUpForEachCall(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadParts("starts", map[string][]byte{"module": extismGuest(t, "starts"), "module.lib": extismGuest(t, "lib"), "manifest": []byte("[limits]\ntimeout = \"30s\"\n")})
	for range 5 {
		if a := s.invoked("starts", "told", nil, ""); string(a.output) != "12" {
			t.Errorf("%q, %+v", a.output, a.problem)
		}
	}
	_, stats := s.do("GET", "/v1/plugins/starts", nil)
	if !strings.Contains(string(stats), "it calls what it is linked with while it starts") {
		t.Errorf("why it has no image is not told: %s", stats)
	}
}

func TestWhatOnlyExtismPluginsHaveIsRefusedToOthers(t *testing.T) {
	s := start(t, t.TempDir())
	for _, manifest := range []string{"log = \"warn\"\n", "[grants]\nhttp = [\"example.com\"]\n", "[grants]\nvars = \"1KiB\"\n"} {
		s.refuses("only Extism plug-ins have", map[string][]byte{"module": telling(1), "manifest": []byte(manifest)})
	}
}

func TestPushLinksModules(t *testing.T) {
	s := start(t, t.TempDir())
	dir := t.TempDir()
	file, lib := filepath.Join(dir, "linked.wasm"), filepath.Join(dir, "lib.wasm")
	writeFile(t, file, string(extismGuest(t, "main")))
	writeFile(t, lib, string(extismGuest(t, "lib")))
	env := []string{"PRISM_URL=" + s.url}
	if _, stderr, code := command(t, env, "push", file, "--link", "lib="+lib); code != 0 {
		t.Fatalf("push: exit code %d, %s", code, stderr)
	}
	if stdout, stderr, code := command(t, env, "call", "linked/twice", "--data", ""); code != 0 || stdout != "12" {
		t.Errorf("call: exit code %d, %q, %s", code, stdout, stderr)
	}
	if _, stderr, code := command(t, env, "push", file, "--link", "lib"); code != 2 || !strings.Contains(stderr, "lib=lib.wasm") {
		t.Errorf("push without a file to link: exit code %d, %s", code, stderr)
	}
}

func TestASessionIsAHeaderAndAFlag(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadParts("vars", map[string][]byte{"module": extismGuest(t, "vars")})
	env := []string{"PRISM_URL=" + s.url}
	if a := s.invoked("vars", "set", []byte("name\x00value"), "me"); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if stdout, stderr, code := command(t, env, "call", "vars/get", "--session", "me", "--data", "name"); code != 0 || stdout != "value" {
		t.Errorf("get: exit code %d, %q, %s", code, stdout, stderr)
	}
	s.fails(422, "guest", "returned 1", "POST", "/v1/plugins/vars/invoke/get", []byte("name"))
	s.fails(400, "invalid", "Prism-Session", "POST", "/v1/plugins/vars/invoke/get", []byte("name"), "Prism-Session", strings.Repeat("x", 129))
	s.fails(400, "invalid", "Prism-Session", "POST", "/v1/tasks?plugin=vars&function=get", []byte("name"), "Prism-Session", "")
}
