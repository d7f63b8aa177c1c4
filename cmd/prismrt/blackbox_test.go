package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUploadCallRollBackAndForward(t *testing.T) {
	s := start(t, t.TempDir())
	s.upload("tell", telling(1))
	s.upload("tell", telling(2))
	call := func(want, version string) {
		t.Helper()
		resp, answer, err := s.send("POST", "/v1/plugins/tell/invoke", nil)
		if err != nil || resp.StatusCode != http.StatusOK || string(answer) != want {
			t.Fatalf("call: %v %s, %v; want %s", resp, answer, err, want)
		}
		h := resp.Header
		if !strings.HasPrefix(h.Get("Prism-Version"), version+" ") || len(h.Get("Prism-Request-Id")) != 26 || !strings.Contains(h.Get("Server-Timing"), "run;dur=") || h.Get("Prism-Fuel") != "104" {
			t.Errorf("headers %v", h)
		}
	}
	call("0002", "2")
	if status, answer := s.do("POST", "/v1/plugins/tell/live", []byte(`{"version": 1}`)); status != http.StatusOK {
		t.Fatalf("roll back: %d %s", status, answer)
	}
	call("0001", "1")
	if status, answer := s.do("PUT", "/v1/plugins/tell?live=false", telling(3)); status != http.StatusCreated {
		t.Fatalf("upload without live: %d %s", status, answer)
	}
	call("0001", "1")
	if status, _ := s.do("PUT", "/v1/plugins/tell", telling(2)); status != http.StatusOK {
		t.Errorf("the same upload again: %d, want 200", status)
	}
	call("0002", "2")
	if p := s.plugin("tell"); p.Live != 2 || len(p.Versions) != 3 {
		t.Errorf("plugin %+v", p)
	}
	resp, module, err := s.send("GET", "/v1/plugins/tell/versions/3/module", nil)
	if err != nil || string(module) != string(telling(3)) || !strings.HasPrefix(resp.Header.Get("ETag"), `"sha256:`) {
		t.Errorf("download: %v, %v", resp, err)
	}
	if status, _ := s.do("GET", "/v1/plugins/tell/versions/3/module", nil, "If-None-Match", resp.Header.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("download of what one has: %d", status)
	}
	if status, _ := s.do("DELETE", "/v1/plugins/tell", nil); status != http.StatusNoContent {
		t.Errorf("delete: %d", status)
	}
	s.fails(404, "not_found", `no plugin "tell"`, "POST", "/v1/plugins/tell/invoke", nil)
	if _, list := s.do("GET", "/v1/plugins", nil); strings.TrimSpace(string(list)) != `{"plugins":[]}` {
		t.Errorf("list: %s", list)
	}
}

func TestKillInTheMiddleOfUploadsLeavesTheOldVersionOrTheNew(t *testing.T) {
	data := t.TempDir()
	acknowledged := 0
	for round := range 12 {
		s := start(t, data)
		if acknowledged > 0 {
			p := s.plugin("tell")
			// One more than was acknowledged may have been committed unanswered.
			if p.Live < acknowledged || p.Live > acknowledged+1 || len(p.Versions) != p.Live {
				t.Fatalf("round %d: live %d of %d versions, %d were acknowledged", round, p.Live, len(p.Versions), acknowledged)
			}
			acknowledged = p.Live
			status, answer := s.do("POST", "/v1/plugins/tell/invoke", nil)
			if want := fmt.Sprintf("%04d", p.Live); status != http.StatusOK || string(answer) != want {
				t.Fatalf("round %d: call %d %s, want %s", round, status, answer, want)
			}
			for _, v := range p.Versions {
				_, module := s.do("GET", "/v1/plugins/tell/versions/"+strconv.Itoa(v.Version)+"/module", nil)
				if string(module) != string(telling(v.Version)) {
					t.Fatalf("round %d: version %d came back changed", round, v.Version)
				}
			}
			files, err := os.ReadDir(filepath.Join(data, "modules"))
			if err != nil || len(files) != len(p.Versions) {
				t.Errorf("round %d: %d files for %d versions, %v", round, len(files), len(p.Versions), err)
			}
		}
		var uploads sync.WaitGroup
		uploads.Go(func() {
			for {
				status, _ := s.do("PUT", "/v1/plugins/tell", telling(acknowledged+1))
				if status != http.StatusCreated && status != http.StatusOK {
					return
				}
				acknowledged++
			}
		})
		time.Sleep(time.Duration(20+rand.IntN(150)) * time.Millisecond) // where it hits is the point
		s.kill()
		uploads.Wait()
	}
	if acknowledged < 4 {
		t.Errorf("only %d uploads in all rounds: the kills hit nothing", acknowledged)
	}
	t.Logf("%d versions", acknowledged)
}

func TestARestartDoesNotCompileAgain(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.upload("guest", obedient(t))
	s.kill()
	if info, err := os.Stat(filepath.Join(data, "code")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of compiled code: %v, %v; want mode 0700", info, err)
	}

	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[upload]\ncompile_timeout = \"1ns\"\n")
	s = start(t, data, "--config", config)
	if status, answer := s.do("POST", "/v1/plugins/guest/invoke", []byte("upper a"), "Prism-Timeout", "1s"); status != http.StatusOK || string(answer) != "A" {
		t.Errorf("call: %d %s", status, answer)
	}
	s.fails(400, "invalid", "compiling the module took longer than", "PUT", "/v1/plugins/tell", telling(1))
}

func TestAClientThatDisconnectsCancelsItsGuest(t *testing.T) {
	s := start(t, t.TempDir())
	manifest := "[limits]\ntimeout = \"5m\"\n"
	body, contentType := form(t, obedient(t), manifest)
	if status, answer := s.do("PUT", "/v1/plugins/guest", body, "Content-Type", contentType); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	for _, input := range []string{"loop", "sleep 4m"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/plugins/guest/invoke", strings.NewReader(input))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			ended <- err
		}()
		s.await("the guest to run", func() bool { return s.plugin("guest").Pool.Lent == 1 })
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: the call was answered", input)
		}
		s.await("the guest to be stopped", func() bool { return s.plugin("guest").Pool.Lent == 0 })
	}
	var stats struct {
		Plugins []struct{ Faults map[string]int }
	}
	_, answer := s.do("GET", "/v1/stats", nil)
	if err := json.Unmarshal(answer, &stats); err != nil || len(stats.Plugins) != 1 || stats.Plugins[0].Faults["canceled"] != 2 {
		t.Errorf("stats %s, %v; want two canceled", answer, err)
	}
}

func TestStoppingLetsCallsFinish(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.upload("guest", obedient(t))
	type answer struct {
		status int
		body   []byte
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := s.do("POST", "/v1/plugins/guest/invoke", []byte("sleep 200ms"))
		answered <- answer{status, body}
	}()
	s.await("the guest to run", func() bool { return s.plugin("guest").Pool.Lent == 1 })
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &s.log)
	}
	if a := <-answered; a.status != http.StatusOK || string(a.body) != "slept" {
		t.Errorf("the call in flight: %d %s", a.status, a.body)
	}
}

func TestCallsThatOutlastTheGracePeriodAreCancelled(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[server]\ngrace = \"100ms\"\n[default]\ntimeout = \"4m\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.upload("guest", obedient(t))
	answered := make(chan int, 1)
	go func() {
		status, _ := s.do("POST", "/v1/plugins/guest/invoke", []byte("loop"))
		answered <- status
	}()
	s.await("the guest to run", func() bool { return s.plugin("guest").Pool.Lent == 1 })
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &s.log)
	}
	if status := <-answered; status == http.StatusOK {
		t.Error("an endless call was answered with 200")
	}
}

func TestOneDataFolderHasOneServer(t *testing.T) {
	data := t.TempDir()
	start(t, data)
	_, stderr, code := command(t, nil, "serve", "--listen", "127.0.0.1:0", "--data", data)
	if code != 1 || !strings.Contains(stderr, "another prismrt uses the data folder") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestMisuseOfServeIsRefused(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "bad.toml")
	writeFile(t, config, "[server]\nlsten = \"x\"\ngrace = 30\n")
	unknown := filepath.Join(dir, "unknown.toml")
	writeFile(t, unknown, "[server]\nlsten = \"x\"\n")
	for want, args := range map[string][]string{
		"only loopback addresses are allowed": {"--listen", "0.0.0.0:0"},
		"write a number and a unit":           {"--config", config},
		"unknown key server.lsten":            {"--config", unknown},
		"no such file":                        {"--config", filepath.Join(dir, "absent.toml")},
		"unknown flag":                        {"--lsten", "127.0.0.1:0"},
	} {
		_, stderr, code := command(t, nil, append([]string{"serve", "--data", dir}, args...)...)
		if code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("serve %q: exit code %d, %s; want 2 and %q", args, code, stderr, want)
		}
	}
	stdout, _, code := command(t, []string{"PRISM_LISTEN=127.0.0.1:9"}, "serve", "--print-config", "--data", "elsewhere")
	if code != 0 || !strings.Contains(stdout, `listen = "127.0.0.1:9"`) || !strings.Contains(stdout, `data = "elsewhere"`) {
		t.Errorf("--print-config: exit code %d\n%s", code, stdout)
	}
}

func TestMetricsAndStatsTellOfTheCalls(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("guest", obedient(t))
	for range 3 {
		if status, answer := s.do("POST", "/v1/plugins/guest/invoke", []byte("upper abc")); status != http.StatusOK {
			t.Fatalf("call: %d %s", status, answer)
		}
	}
	s.fails(422, "exit", "exit code 3", "POST", "/v1/plugins/guest/invoke", []byte("exit 3"))
	_, metrics := s.do("GET", "/metrics", nil)
	for _, want := range []string{
		`prismrt_invocations_total{namespace="default",outcome="ok",plugin="guest",version="1"} 3`,
		`prismrt_invocations_total{namespace="default",outcome="exit",plugin="guest",version="1"} 1`,
		`prismrt_bytes_total{direction="output",namespace="default",plugin="guest",version="1"} 9`,
		`prismrt_invocation_duration_seconds_count{namespace="default",plugin="guest",version="1"} 4`,
		`prismrt_inbound_connections{state="active"}`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	var stats struct {
		Memory  struct{ ResidentBytes, GuestReservedBytes int64 }
		Plugins []struct {
			Namespace, Plugin string
			Calls             int
			Faults            map[string]int
			Run               map[string]float64
		}
	}
	_, body := s.do("GET", "/v1/stats", nil)
	if err := json.Unmarshal(body, &stats); err != nil {
		t.Fatal(err)
	}
	row := stats.Plugins[0]
	if row.Namespace != "default" || row.Plugin != "guest" || row.Calls != 4 || row.Faults["exit"] != 1 || row.Run["p50_ms"] <= 0 {
		t.Errorf("row %+v", row)
	}
}
