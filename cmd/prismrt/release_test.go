package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// moody is a module whose handler answers four digits. It traps when the input begins
// with one letter, and runs a million instructions when it begins with another.
func moody(number int, traps, slow byte) []byte {
	section := func(id byte, content ...byte) []byte { return append([]byte{id, byte(len(content))}, content...) }
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	if_ := func(letter byte) []byte {
		return []byte{0x41, 16, 0x2d, 0, 0, 0x41, letter | 0x80, 0, 0x46, 0x04, 0x40} // the byte at 16 is the letter
	}
	code := slices.Concat(
		[]byte{1, 1, 0x7f},
		[]byte{0x41, 16, 0x41, 0, 0x41, 1, 0x10, 0, 0x1a}, // input_read(16, 0, 1)
		if_(traps), []byte{0x00, 0x0b},
		if_(slow), []byte{0x41, 0x80, 0x80, 0x10, 0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b}, // 2^18 turns
		[]byte{0x41, 0, 0x41, 4, 0x10, 1, 0x41, 0, 0x0b}, // output_write(0, 4)
	)
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		section(1, 3, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f),
		section(2, slices.Concat([]byte{2}, str("prism"), str("input_read"), []byte{0, 2}, str("prism"), str("output_write"), []byte{0, 0})...),
		section(3, 1, 1), section(5, 1, 0, 1),
		section(7, slices.Concat([]byte{2}, str("memory"), []byte{2, 0}, str("handle"), []byte{0, 2})...),
		section(10, slices.Concat([]byte{1, byte(len(code))}, code)...),
		section(11, slices.Concat([]byte{1, 0, 0x41, 0, 0x0b}, str(fmt.Sprintf("%04d", number)))...),
	)
}

// The methods below are of the plugin "moody".

// put uploads a module with a manifest.
func (s *server) put(module []byte, manifest string) {
	s.t.Helper()
	body, contentType := form(s.t, module, "[limits]\ntimeout = \"30s\"\n"+manifest)
	if status, answer := s.do("PUT", "/v1/plugins/moody", body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload: %d %s", status, answer)
	}
}

// store uploads a module without making it live.
func (s *server) store(module []byte) {
	s.t.Helper()
	if status, answer := s.do("PUT", "/v1/plugins/moody?live=false", module); status != http.StatusCreated {
		s.t.Fatalf("upload: %d %s", status, answer)
	}
}

// release says where calls go.
func (s *server) release(body string) {
	s.t.Helper()
	if status, answer := s.do("POST", "/v1/plugins/moody/live", []byte(body)); status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", body, status, answer)
	}
}

// call makes one call and returns the answer, or the status and kind of its problem.
func (s *server) call(input string) string {
	status, answer := s.do("POST", "/v1/plugins/moody/invoke", []byte(input))
	if status == http.StatusOK {
		return string(answer)
	}
	var p problem
	_ = json.Unmarshal(answer, &p)
	return fmt.Sprintf("%d %s", status, p.Kind)
}

// answers are calls by what call returned.
type answers map[string]int

func (a answers) total() (n int) {
	for _, count := range a {
		n += count
	}
	return n
}

func TestAVersionThatFailsItsHealthCheckNeverGoesLive(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.put(moody(1, 'x', 's'), "[health]\ninput = \"hello\"\nexpect = \"0001\"\nevery = \"30s\"")
	refused := func(kind, detail, manifest string) problem {
		t.Helper()
		body, contentType := form(t, moody(2, 'x', 's'), manifest)
		return s.fails(422, kind, detail, "PUT", "/v1/plugins/moody", body, "Content-Type", contentType)
	}
	p := refused("trap", "the health check failed: the guest trapped: unreachable", "[health]\ninput = \"x\"")
	if len(p.Stack) == 0 {
		t.Errorf("no stack in %+v", p)
	}
	refused("guest", `the answer was "0002" and health.expect is "0003"`, "[health]\ninput = \"\"\nexpect = \"0003\"")
	refused("fuel", "the health check failed", "[health]\ninput = \"s\"\n[limits]\nfuel = 10_000")
	body, contentType := form(t, moody(2, 'x', 's'), "[health]\nexpect = \"0002\"")
	s.fails(400, "invalid", "health.input", "PUT", "/v1/plugins/moody", body, "Content-Type", contentType)

	for range 2 {
		if a, p := s.call(""), s.plugin("moody"); a != "0001" || p.Live != 1 || len(p.Versions) != 1 || p.Health.State != "ready" {
			t.Errorf("answer %q, plugin %+v", a, p)
		}
		s.kill()
		s = start(t, data)
	}
	var shown struct {
		Versions []struct {
			Health   struct{ Input, Expect string }
			Manifest struct{ Health map[string]string }
		}
	}
	_, answer := s.do("GET", "/v1/plugins/moody", nil)
	if err := json.Unmarshal(answer, &shown); err != nil || shown.Versions[0].Health.Input != "hello" || shown.Versions[0].Manifest.Health["every"] != "30s" {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestTheVersionBeforeTakesOverUnderLoad(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.put(moody(1, 'y', 's'), "")
	s.put(moody(2, 'x', 's'), "[health]\nfailover = true")

	// All send the same, and from one moment on what only version 2 traps on.
	var input atomic.Value
	input.Store("fine")
	var mu sync.Mutex
	got, made := answers{}, 0
	var turned, over time.Time
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				made++
				mu.Unlock()
				a := s.call(input.Load().(string))
				mu.Lock()
				if got[a]++; a == "0001" && over.IsZero() {
					over = time.Now()
				}
				mu.Unlock()
			}
		})
	}
	count := func(a string) int { mu.Lock(); defer mu.Unlock(); return got[a] }
	s.await("calls of version 2", func() bool { return count("0002") > 200 })
	turned = time.Now()
	input.Store("x")
	s.await("version 1 to take over", func() bool { return count("0001") > 200 })
	close(stop)
	callers.Wait()

	if got.total() != made || got["0001"]+got["0002"]+got["422 trap"] != made {
		t.Errorf("%d calls were answered %v", made, got)
	}
	// To open the breaker, as many as went well in the last second; and those that were
	// under way or in line.
	if got["422 trap"] > got["0002"]+100 {
		t.Errorf("answers %v", got)
	}
	// It takes a second at most; this machine may be busy.
	if took := over.Sub(turned); took > 5*time.Second {
		t.Errorf("the first answer of version 1 came %v after version 2 began to trap", took)
	} else {
		t.Logf("%d of %d calls trapped; version 1 answered after %v", got["422 trap"], made, took)
	}
	for range 2 {
		p := s.plugin("moody")
		if o := p.Takeover; p.Live != 1 || o == nil || o.From != 2 || o.To != 1 || !strings.Contains(o.Reason, "calls failed within a second, the last of them with trap") || o.At.Before(turned.Truncate(time.Millisecond)) {
			t.Errorf("plugin %+v, takeover %+v", p, o)
		}
		if a := s.call("x"); a != "0001" {
			t.Errorf("answer %q", a)
		}
		s.kill()
		s = start(t, data)
	}
}

func TestAFencedVersionIsTriedAgain(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[health]\nopen = \"1200ms\"\nmin_calls = 10\n")
	s := start(t, t.TempDir(), "--config", config)
	s.put(moody(1, 'x', 's'), "")
	got := answers{}
	for got["503 unavailable"] == 0 && got.total() < 100 {
		got[s.call("x")]++
	}
	if got["422 trap"] != 10 || got["503 unavailable"] != 1 {
		t.Fatalf("answers %v, want 10 traps and then a refusal", got)
	}
	resp, answer, err := s.send("POST", "/v1/plugins/moody/invoke", nil)
	if err != nil || resp.StatusCode != 503 || !strings.Contains(string(answer), "calls failed within a second") {
		t.Fatalf("a call of a fenced version: %v %s, %v", resp, answer, err)
	}
	if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 || after > 2 {
		t.Errorf("Retry-After %q, want at most 1.2 seconds rounded up", resp.Header.Get("Retry-After"))
	}
	if p := s.plugin("moody"); p.Live != 1 || p.Health.State != "fenced" || !strings.Contains(p.Health.Reason, "calls failed within a second") || p.Takeover != nil {
		t.Errorf("plugin %+v", p)
	}
	s.await("the version to be tried again", func() bool { return s.call("") == "0001" })
	for range 20 {
		if a := s.call(""); a != "0001" {
			t.Fatalf("after it went well again the answer is %q", a)
		}
	}
	if p := s.plugin("moody"); p.Health.State != "ready" {
		t.Errorf("plugin %+v", p)
	}
}

func TestACanaryGetsItsShareAlsoAfterARestart(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.put(moody(1, 'x', 's'), "")
	s.store(moody(2, 'x', 's'))
	stdout, stderr, code := command(t, []string{"PRISM_URL=" + s.url}, "live", "moody", "2", "--share", "0.1")
	if code != 0 || stdout != "moody version 2 gets 10% of the calls, version 1 the others\n" {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	calls := func(want answers) {
		t.Helper()
		got := answers{}
		for range 200 {
			got[s.call("")]++
		}
		for a, n := range want {
			if got[a] < n-1 || got[a] > n+1 {
				t.Errorf("answers %v, want %v", got, want)
			}
		}
	}
	for range 2 {
		s.await("the canary to be loaded", func() bool { return s.plugin("moody").Canary.Own != nil })
		calls(answers{"0001": 180, "0002": 20})
		if p := s.plugin("moody"); p.Live != 1 || p.Canary == nil || p.Canary.Version != 2 || p.Canary.Share != 0.1 || p.Canary.Judge {
			t.Errorf("plugin %+v", p)
		}
		if _, list := s.do("GET", "/v1/plugins", nil); !strings.Contains(string(list), `"canary":{"version":2,"share":0.1,`) {
			t.Errorf("list %s", list)
		}
		s.kill()
		s = start(t, data)
	}
	s.release(`{"version": 2, "share": 0.75}`)
	calls(answers{"0001": 50, "0002": 150})
	s.release(`{"version": 1}`)
	calls(answers{"0001": 200})
	s.release(`{"version": 2, "share": 0.5, "judge": true}`)
	if p := s.plugin("moody"); !p.Canary.Judge {
		t.Errorf("plugin %+v", p)
	}
	s.release(`{"version": 2}`)
	calls(answers{"0002": 200})
	if p := s.plugin("moody"); p.Live != 2 || p.Canary != nil || p.LastCanary != nil {
		t.Errorf("plugin %+v", p)
	}
}

// rolledBack makes calls with the inputs in turn until the canary is gone, and checks
// that it was rolled back for a reason, also after a restart.
func rolledBack(t *testing.T, data string, s *server, reason string, inputs ...string) answers {
	t.Helper()
	got := answers{}
	s.await("the canary to be rolled back", func() bool {
		for range 20 {
			for _, input := range inputs {
				got[s.call(input)]++
			}
		}
		return s.plugin("moody").Canary == nil
	})
	for range 2 {
		p := s.plugin("moody")
		if o := p.LastCanary; p.Live != 1 || p.Canary != nil || o == nil || o.Version != 2 || o.Live || !strings.Contains(o.Reason, reason) {
			t.Errorf("plugin %+v, outcome %+v", p, o)
		}
		for range 10 {
			if a := s.call("x"); a != "0001" {
				t.Fatalf("answer %q", a)
			}
		}
		s.kill()
		s = start(t, data)
	}
	return got
}

func TestAJudgedCanaryThatIsWeakerIsRolledBack(t *testing.T) {
	for name, tt := range map[string]struct {
		traps, slow byte
		reason      string
		inputs      []string
	}{
		"it traps on one input in five": {'x', 's', "the canary failed in", []string{"a", "b", "x", "c", "d"}},
		"it is slow":                    {'y', 'a', "with the canary and", []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			s := start(t, data)
			s.put(moody(1, 'y', 's'), "")
			s.store(moody(2, tt.traps, tt.slow))
			s.release(`{"version": 2, "share": 0.3, "judge": true}`)
			got := rolledBack(t, data, s, tt.reason, tt.inputs...)
			if got.total() != got["0001"]+got["0002"]+got["422 trap"] || got["0002"] == 0 || (got["422 trap"] > 0) != (tt.traps == 'x') {
				t.Errorf("answers %v", got)
			}
		})
	}
}

func TestACanaryThatIsFencedIsRolledBackUnjudged(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.put(moody(1, 'y', 's'), "")
	s.store(moody(2, 'x', 's'))
	s.release(`{"version": 2, "share": 0.5}`)
	got := rolledBack(t, data, s, "calls failed within a second", "x")
	if got["422 trap"] != 20 || got.total() != got["0001"]+20 {
		t.Errorf("answers %v, want 20 traps and nothing lost", got)
	}
}
