package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/script"
)

// scripting is a server that has the interpreter of a language.
type scripting struct {
	*server
	*script.Language
	data string
}

func startScripting(t *testing.T, language string) *scripting {
	t.Helper()
	l, err := script.Named(language)
	if err != nil {
		t.Fatal(err)
	}
	s, data := startWith(t, language)
	return &scripting{s, l, data}
}

// path is where a script is put; its file is called as the plugin is.
func (s *scripting) path(name string) string {
	return "/v1/plugins/" + name + "?runtime=" + s.Name + "&file=" + name + s.Suffix
}

// put uploads a script and fails the test unless it becomes a new version. Without a manifest its
// calls may wait, as they do on a slow machine.
func (s *scripting) put(name, source, manifest string) {
	s.t.Helper()
	if manifest == "" {
		manifest = "[limits]\ntimeout = \"30s\"\n"
	}
	body, contentType := scriptForm(s.t, source, manifest)
	if status, answer := s.do("PUT", s.path(name), body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload of %s, %s: %d %s", name, source, status, answer)
	}
}

// answer has each script that is made of what a handler returns answer an input.
func (s *scripting) answer(handler, input string, cases [][2]string) {
	s.t.Helper()
	for n, c := range cases {
		name := fmt.Sprint("returns", n)
		s.put(name, handler+c[0], "")
		s.says(name, input, c[1])
		s.do("DELETE", "/v1/plugins/"+name, nil)
	}
}

// take has each script be a handler that answers with the length of its input.
func (s *scripting) take(sources ...string) {
	s.t.Helper()
	for n, source := range sources {
		name := fmt.Sprint("handler", n)
		s.put(name, source, "")
		s.says(name, "abcd", "4")
		s.do("DELETE", "/v1/plugins/"+name, nil)
	}
}

// drawAnew has scripts that answer with random numbers give others in each call.
func (s *scripting) drawAnew(sources ...string) {
	s.t.Helper()
	for n, source := range sources {
		name := fmt.Sprint("draws", n)
		s.put(name, source, "")
		seen := make(map[string]bool)
		for range 20 {
			status, answer := s.do("POST", "/v1/plugins/"+name+"/invoke", nil)
			if status != http.StatusOK || seen[string(answer)] {
				s.t.Errorf("%s drew %d %s twice", source, status, answer)
			}
			seen[string(answer)] = true
		}
	}
}

// haveConfig has a script answer with its key "region".
func (s *scripting) haveConfig(source string) {
	s.t.Helper()
	s.put("region", source, "[grants]\nconfig = {region = 'eu'}\n")
	s.says("region", "", "eu")
}

// areHeld has a script that takes more memory than it may for the input "m", and does not end for
// "f", fail by its limits, and go on as if nothing were.
func (s *scripting) areHeld(source, memory string) {
	s.t.Helper()
	s.put("greedy", source, "[limits]\ntimeout = '30s'\nmemory = '"+memory+"'\nfuel = 200_000_000\n")
	s.fails(http.StatusUnprocessableEntity, "fuel", "limits.fuel", "POST", "/v1/plugins/greedy/invoke", []byte("f"))
	s.fails(http.StatusUnprocessableEntity, "memory", "limits.memory", "POST", "/v1/plugins/greedy/invoke", []byte("m"))
	s.says("greedy", "", "")
}

// areRefused has scripts, called bad, refused with what is said of them. Where that is an error of
// the language, traced tells whether its trace is right.
func (s *scripting) areRefused(scripts map[string]string, traced func(stack []string) bool) {
	s.t.Helper()
	for source, want := range scripts {
		kind, status := "guest", http.StatusUnprocessableEntity
		switch {
		case strings.Contains(want, "came to"):
			kind, status = "invalid", http.StatusBadRequest
		case strings.Contains(want, "exit code"):
			kind = "exit"
		}
		p := s.fails(status, kind, want, "PUT", s.path("bad"), []byte(source))
		if strings.Contains(want, "Error") && !traced(p.Stack) {
			s.t.Errorf("%q: the trace is %q", source, p.Stack)
		}
	}
}

// shareInterpreter has some scripts take no more than most bytes each.
func (s *scripting) shareInterpreter(source string, most int64) {
	s.t.Helper()
	before := s.images(s.t)
	const scripts = 5
	for n := range scripts {
		name := fmt.Sprint("small", n)
		s.put(name, fmt.Sprintf(source, n), "")
		s.says(name, "", fmt.Sprint(n))
	}
	each := (s.images(s.t) - before) / scripts
	s.t.Logf("an image of a script takes %d KiB", each>>10)
	if each > most {
		s.t.Errorf("a script takes %d bytes of its own", each)
	}
}
