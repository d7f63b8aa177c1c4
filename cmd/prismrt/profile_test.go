package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aProfile = `{"plugin":"up","version":2,"from":"2026-01-02T03:00:00Z","to":"2026-01-02T03:05:00Z","fuel":1000000,"samples":20,"host_ms":1500,
"functions":[{"function":"parse\u001b[2J","flat_fuel":620000,"flat_share":0.62,"cum_fuel":700000,"cum_share":0.7,"host_ms":0,"cum_host_ms":0},
{"function":"[host] wasi_snapshot_preview1.poll_oneoff","host":true,"flat_fuel":0,"flat_share":0,"cum_fuel":0,"cum_share":0,"host_ms":1500,"cum_host_ms":1500}],
"stacks":[],"notes":["a note"]`

func TestProfileShowsTheHottestFunctions(t *testing.T) {
	asked := ""
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/plugins/up/profile": func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Encode()
		switch {
		case r.URL.Query().Get("format") == "svg":
			_, _ = w.Write([]byte("<svg/>"))
		case r.URL.Query().Get("diff") != "":
			_, _ = w.Write([]byte(aProfile + `,"diff":{"base":{"plugin":"up","version":1,"from":"2026-01-02T03:00:00Z","to":"2026-01-02T03:05:00Z"},
				"functions":[{"function":"parse","flat_share":0.62,"base_flat_share":0.2,"flat_points":42}]}}`))
		default:
			_, _ = w.Write([]byte(aProfile + "}"))
		}
	}})
	s.run(0, "profile", "up")
	for _, want := range []string{"1,000,000 instructions in 20 samples, 1.5s on the host", "62.00%", "620,000", "70.00%", "poll_oneoff", "1.5s", "a note"} {
		if !strings.Contains(s.out, want) {
			t.Errorf("there is no %q in\n%s", want, s.out)
		}
	}
	if strings.Contains(s.out, "\x1b") {
		t.Errorf("a function's name steers the terminal: %q", s.out)
	}
	s.run(0, "profile", "up", "--window", "1m", "--version", "2", "--diff", "version:1")
	if !strings.Contains(s.out, "+42.00") || !strings.Contains(s.out, "up version 1") || asked != "diff=version%3A1&format=json&version=2&window=1m0s" {
		t.Errorf("asked %s, shown\n%s", asked, s.out)
	}
	s.run(0, "profile", "up", "--json")
	if !strings.Contains(s.out, `"flat_share": 0.62`) {
		t.Errorf("%s", s.out)
	}
	file := filepath.Join(t.TempDir(), "up.svg")
	s.run(0, "profile", "up", "--format", "svg", "-o", file)
	if b, err := os.ReadFile(file); err != nil || string(b) != "<svg/>" || s.out != "" {
		t.Errorf("the file has %q, %v, standard output %q", b, err, s.out)
	}
	s.run(2, "profile", "up", "--format", "png")
	s.run(2, "profile", "up", "-o", filepath.Join(file, "no", "folder"))
}
