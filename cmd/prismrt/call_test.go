package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	input, _ := io.ReadAll(r.Body)
	w.Header().Set("Prism-Request-Id", "01J")
	w.Header().Set("Prism-Version", "2 9f2c1a7b3d4e")
	w.Header().Set("Prism-Fuel", "1234")
	w.Header().Set("Server-Timing", "pool;dur=0.012, run;dur=1.482")
	_, _ = fmt.Fprintf(w, "%s|%s|%s|%s", r.PathValue("name"), r.PathValue("function"), r.Header.Get("Prism-Timeout"), input)
}

var echoRoutes = map[string]http.HandlerFunc{
	"POST /v1/plugins/{name}/invoke":            echo,
	"POST /v1/plugins/{name}/invoke/{function}": echo,
}

func TestCallTakesItsInputFromWhereItIsTold(t *testing.T) {
	s := newShell(t, echoRoutes)
	file := writeFile(t, t.TempDir(), "in", "from a file\x00")
	for name, tt := range map[string]struct {
		typed bool
		args  []string
		want  string
	}{
		"text":                         {false, []string{"a", "--data", "text"}, "a|||text"},
		"text that is empty":           {false, []string{"a", "--data", ""}, "a|||"},
		"text that is not UTF-8":       {false, []string{"a", "--data", "\xff\xfe"}, "a|||\xff\xfe"},
		"text that looks like a flag":  {false, []string{"a", "--data=-1"}, "a|||-1"},
		"a file":                       {false, []string{"a", "--data", "@" + file}, "a|||from a file\x00"},
		"standard input by a dash":     {true, []string{"a", "--data", "-"}, "a|||from stdin\n"},
		"standard input that is piped": {false, []string{"a"}, "a|||from stdin\n"},
		"nothing, at a terminal":       {true, []string{"a"}, "a|||"},
		"a function and a timeout":     {true, []string{"a/score", "--timeout", "500ms"}, "a|score|500ms|"},
	} {
		t.Run(name, func(t *testing.T) {
			s.stdin, s.typed = "from stdin\n", tt.typed
			s.run(0, append([]string{"call"}, tt.args...)...)
			if s.out != tt.want || s.err != "" {
				t.Errorf("output %q, want %q; standard error %q", s.out, tt.want, s.err)
			}
		})
	}
}

func TestVerboseSpeaksOnStandardErrorOnly(t *testing.T) {
	s := newShell(t, echoRoutes)
	s.run(0, "call", "a", "-v", "--data", "x")
	if s.out != "a|||x" {
		t.Errorf("output is %q", s.out)
	}
	if want := "request 01J\na version 2 (9f2c1a7b3d4e), 1234 instructions\npool 12µs, run 1.482ms\n"; s.err != want {
		t.Errorf("it says %q, want %q", s.err, want)
	}
}

func TestCallAsJSONCarriesOutputOfAnyBytes(t *testing.T) {
	s := newShell(t, echoRoutes)
	for input, want := range map[string]string{
		"<text>": `"output":"a|||<text>"`,
		"":       `"output":"a|||"`,
		"\xff":   `"output_base64":"YXx8fP8="`,
	} {
		s.run(0, "call", "a", "--json", "--data", input)
		var doc map[string]any
		if err := json.Unmarshal([]byte(s.out), &doc); err != nil {
			t.Fatalf("not JSON: %v\n%s", err, s.out)
		}
		flat := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(s.out)
		contains(t, flat, want, `"request_id":"01J"`, `"version":2`, `"digest":"9f2c1a7b3d4e"`, `"fuel":1234`, `"pool_ms":0.012`, `"run_ms":1.482`)
		if len(doc) != 6 {
			t.Errorf("the document has %d fields, want 6:\n%s", len(doc), s.out)
		}
	}
}

func TestCallOfABatchIsLinesInAndLinesOut(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"POST /v1/plugins/{name}/batch/{function}": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Content-Type") != "application/x-ndjson" || r.Header.Get("Prism-Timeout") != "500ms" {
				t.Errorf("headers %v", r.Header)
			}
			input, _ := io.ReadAll(r.Body)
			for line := range strings.Lines(string(input)) {
				if line = strings.TrimSpace(line); line == "bad" {
					_, _ = fmt.Fprintln(w, `{"error":{"kind":"guest"}}`)
				} else {
					_, _ = fmt.Fprintf(w, "{\"output\":%q}\n", line)
				}
			}
		},
	})
	s.stdin = "one\ntwo\n"
	s.run(0, "call", "a/f", "--batch", "--timeout", "500ms")
	if want := "{\"output\":\"one\"}\n{\"output\":\"two\"}\n"; s.out != want || s.err != "" {
		t.Errorf("output %q, want %q; standard error %q", s.out, want, s.err)
	}
	s.run(1, "call", "a/f", "--batch", "--timeout", "500ms", "--data", "bad\nthree")
	if want := "{\"error\":{\"kind\":\"guest\"}}\n{\"output\":\"three\"}\n"; s.out != want || !strings.Contains(s.err, "1 of 2 inputs failed") {
		t.Errorf("output %q, want %q; standard error %q", s.out, want, s.err)
	}
}
