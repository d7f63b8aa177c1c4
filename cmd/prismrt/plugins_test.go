package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func ago(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339Nano) }

func TestPluginsAreATable(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/plugins": answerJSON(200, fmt.Sprintf(`{"plugins":[
		{"namespace":"default","name":"normalise","live":2,"versions":12,"abi":"prism","digest":"sha256:00","bytes":1900000,"updated_at":%q},
		{"namespace":"default","name":"draft","live":0,"versions":1,"abi":"","bytes":100,"updated_at":%q}]}`,
		ago(150*time.Minute), ago(49*time.Hour)))})
	s.run(0, "plugins")
	const want = "" +
		"NAME        LIVE   VERSIONS   CONTRACT      SIZE   UPDATED\n" +
		"normalise      2         12   prism      1.8 MiB   2 hours ago\n" +
		"draft          -          1   -            100 B   2 days ago\n"
	if s.out != want {
		t.Errorf("the table is\n%swant\n%s", s.out, want)
	}
	s.run(0, "plugins", "--json")
	var list struct {
		Plugins []struct {
			Name     string
			Versions int
		}
	}
	if err := json.Unmarshal([]byte(s.out), &list); err != nil || len(list.Plugins) != 2 || list.Plugins[0].Versions != 12 {
		t.Errorf("as JSON it is %v\n%s", err, s.out)
	}
}

func TestAnEmptyServerSaysWhatToDo(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/plugins": answerJSON(200, `{"plugins":[]}`)})
	s.run(0, "plugins")
	contains(t, s.out, "prismrt push")
	s.run(0, "plugins", "--json")
	contains(t, s.out, `"plugins": []`)
}

// twoVersions is a plugin as the server tells of it.
func twoVersions() string {
	return fmt.Sprintf(`{"namespace":"default","name":"a","live":1,"created_at":%[1]q,"updated_at":%[1]q,"versions":[
		{"name":"a","version":2,"live":false,"digest":"sha256:aabbccddeeff0011","bytes":2048,"abi":"prism","functions":["handle","score"],"created_at":%[1]q},
		{"name":"a","version":1,"live":true,"digest":"sha256:9f2c1a7b3d4e5566","bytes":1024,"abi":"command","functions":[],"created_at":%[1]q}],
		"pool":{"version":1,"ready":1,"building":0,"lent":2,"waiting":7,"max":4},"health":{"state":"ready","reason":""}}`, ago(5*time.Hour+30*time.Minute))
}

func TestOnePluginShowsItsVersionsAndPool(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"GET /v1/plugins/a": answerJSON(200, twoVersions())})
	s.run(0, "plugins", "a")
	const want = "a: ready\n" +
		"instances of version 1: 1 ready, 2 lent, 0 building, at most 4; calls waiting: 7\n" +
		"VERSION          CONTRACT      SIZE   DIGEST         FUNCTIONS       CREATED\n" +
		"      2          prism      2.0 KiB   aabbccddeeff   handle, score   5 hours ago\n" +
		"      1   live   command    1.0 KiB   9f2c1a7b3d4e   -               5 hours ago\n"
	if s.out != want {
		t.Errorf("it says\n%swant\n%s", s.out, want)
	}
}

func TestAPluginThatFailedSaysWhy(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/plugins/a": answerJSON(200, `{"name":"a","live":1,"versions":[],"health":{"state":"failed","reason":"the module is gone"}}`),
	})
	s.run(0, "plugins", "a")
	contains(t, s.out, "a: failed, the module is gone\n")
	if strings.Contains(s.out, "instances") {
		t.Errorf("it speaks of a pool that is not there:\n%s", s.out)
	}
}

func TestLiveMovesTheLiveVersion(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"POST /v1/plugins/a/live": func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"version":1}` {
			t.Errorf("the server got %s", body)
		}
		answerJSON(200, twoVersions())(w, r)
	}})
	s.run(0, "live", "a", "1")
	if s.out != "a version 1 is live\n" {
		t.Errorf("it says %q", s.out)
	}
	s.run(0, "live", "a", "1", "--json")
	contains(t, s.out, `"live": 1`, `"versions": [`)
}

func TestLiveGivesAShareOfTheCalls(t *testing.T) {
	var got string
	s := newShell(t, map[string]http.HandlerFunc{"POST /v1/plugins/a/live": func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		answerJSON(200, `{"name":"a","live":1,"versions":[],"canary":{"version":2,"share":0.125,"judge":true}}`)(w, r)
	}})
	s.run(0, "live", "a", "2", "--share", "0.125", "--judge")
	if want := `{"version":2,"share":0.125,"judge":true}`; got != want {
		t.Errorf("the server got %s, want %s", got, want)
	}
	if s.out != "a version 2 gets 12.5% of the calls, version 1 the others; the weaker goes by itself\n" {
		t.Errorf("it says %q", s.out)
	}
	s.run(0, "live", "a", "2", "--share", "0.5")
	if want := `{"version":2,"share":0.5}`; got != want {
		t.Errorf("the server got %s, want %s", got, want)
	}
	s.run(2, "live", "a", "2", "--judge")
	contains(t, s.err, "--share")
}

func TestReleasesAreShown(t *testing.T) {
	canary := `"canary":{"version":3,"share":0.1,"judge":true,"canary_calls":{"calls":10,"faults":1},"live_calls":{"calls":90,"faults":2}}`
	at := ago(3 * time.Hour)
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/plugins": answerJSON(200, `{"plugins":[{"name":"a","live":2,"versions":3,`+canary+`}]}`),
		"GET /v1/plugins/a": answerJSON(200, fmt.Sprintf(`{"name":"a","live":2,"versions":[{"version":3},{"version":2,"live":true}],"health":{"state":"ready"},`+
			`"takeover":{"from":4,"to":2,"at":%[1]q,"reason":"it trapped"},"last_canary":{"version":5,"at":%[1]q,"reason":"it was slow"},`+canary+`}`, at)),
	})
	s.run(0, "plugins")
	contains(t, s.out, "2, 3 for 10%")
	s.run(0, "plugins", "a")
	contains(t, s.out, "version 2 took over from version 4 3 hours ago: it trapped\n", "the canary version 5 was rolled back 3 hours ago: it was slow\n",
		"calls since: 10 of the canary with 1 faults, 90 of the live version with 2 faults\n", "canary, 10%")
}

func TestRmRemovesAPlugin(t *testing.T) {
	gone := 0
	s := newShell(t, map[string]http.HandlerFunc{"DELETE /v1/plugins/a": func(w http.ResponseWriter, _ *http.Request) {
		gone++
		w.WriteHeader(http.StatusNoContent)
	}, "DELETE /v1/plugins/b": answerJSON(404, `{"status":404,"kind":"not_found","detail":"there is no plugin b","plugin":"b"}`)})
	s.run(0, "rm", "a")
	if s.out != "a is removed\n" {
		t.Errorf("it says %q", s.out)
	}
	s.run(0, "rm", "a", "--json")
	contains(t, s.out, `"removed": true`)
	s.run(1, "rm", "b")
	contains(t, s.err, "not_found: there is no plugin b")
	if gone != 2 {
		t.Errorf("%d plugins were removed, want 2", gone)
	}
}

func TestVersionTellsWhatItWasBuiltFrom(t *testing.T) {
	full := buildOf(&debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Version: "v0.2.0"},
		Deps:      []*debug.Module{{Path: "other", Version: "v9"}, {Path: "github.com/tetratelabs/wazero", Version: "v1.12.0"}},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef"},
			{Key: "vcs.modified", Value: "true"},
			{Key: "GOOS", Value: "linux"},
			{Key: "GOARCH", Value: "arm64"},
		},
	})
	if got, want := full.String(), "prismrt v0.2.0 commit 0123456789ab with changes, go1.26.8, wazero v1.12.0, linux/arm64"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if got, want := (build{}).String(), "prismrt unknown unknown, wazero unknown, unknown/unknown"; got != want {
		t.Errorf("of nothing it says %q, want %q", got, want)
	}
	s := newShell(t, nil)
	s.run(0, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(s.out), &b); err != nil || !strings.HasPrefix(b.Go, "go") {
		t.Errorf("as JSON it is %v\n%s", err, s.out)
	}
}
