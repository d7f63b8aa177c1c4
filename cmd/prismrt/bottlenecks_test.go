package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plant is a guest with bottlenecks (testdata/plant), as a version with a manifest.
func (s *server) plant(name, manifest string) {
	s.t.Helper()
	file := filepath.Join(folder, "plant.wasm")
	module := build(s.t, file, nil, "clang", "--target=wasm32-wasi", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-mexec-model=reactor",
		"-I../../sdk/c", "-o", file, "testdata/plant/plant.c")
	body, contentType := form(s.t, module, "function = \"quick\"\n"+manifest)
	if status, answer := s.do("PUT", "/v1/plugins/"+name, body, "Content-Type", contentType); status/100 != 2 {
		s.t.Fatalf("upload of %s: %d %s", name, status, answer)
	}
}

// load is callers, each with one call at a time.
type load struct {
	stop  func()
	calls atomic.Int64
	took  atomic.Int64 // nanoseconds, of all calls
}

// mean is how long a call of a load took in the next n.
func (l *load) mean(s *server, n int64) time.Duration {
	calls, took := l.calls.Load(), l.took.Load()
	s.await("calls", func() bool { return l.calls.Load() >= calls+n })
	return time.Duration((l.took.Load() - took) / (l.calls.Load() - calls))
}

// callers have so many call a function until they are stopped, which the test's end does.
func (s *server) callers(n int, path string, input func() []byte) *load {
	l := &load{}
	done := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				begun := time.Now()
				resp, err := client.Post(s.url+"/v1/plugins/"+path, "application/octet-stream", bytes.NewReader(input()))
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				l.took.Add(int64(time.Since(begun)))
				l.calls.Add(1)
			}
		})
	}
	l.stop = sync.OnceFunc(func() { close(done); all.Wait(); client.CloseIdleConnections() })
	s.t.Cleanup(l.stop)
	return l
}

// nowAndThen is a caller that is not always calling.
func nowAndThen(input string) func() []byte {
	return func() []byte { time.Sleep(time.Millisecond); return []byte(input) }
}

func always(input string) func() []byte { return func() []byte { return []byte(input) } }

// found is a bottleneck as the API tells it.
type found struct {
	Rule, Phase, Plugin, Cause string
	Version                    int
	LostMS                     float64 `json:"lost_ms"`
	Advice                     struct {
		Setting, Value string
		GainMS         float64 `json:"gain_ms"`
	}
	Functions []struct {
		Name      string  `json:"function"`
		FlatShare float64 `json:"flat_share"`
	}
}

func (f found) String() string {
	return fmt.Sprintf("%s in %s of %q version %d (%.0f ms): %s %v", f.Rule, f.Phase, f.Plugin, f.Version, f.LostMS, f.Cause, f.Functions)
}

func (s *server) bottlenecks() (all []found) {
	s.t.Helper()
	status, answer := s.do("GET", "/v1/bottlenecks", nil)
	var report struct{ Findings []found }
	if err := json.Unmarshal(answer, &report); err != nil || status != http.StatusOK {
		s.t.Fatalf("%d %s", status, answer)
	}
	return report.Findings
}

// finds waits until the top finding is of a rule, and returns it.
func (s *server) finds(rule string) (top found) {
	s.t.Helper()
	begun, last := time.Now(), []found(nil)
	defer func() {
		if s.t.Failed() {
			_, stats := s.do("GET", "/v1/stats", nil)
			s.t.Logf("found last: %v; %s", last, stats)
		}
	}()
	s.await("the finding "+rule, func() bool {
		time.Sleep(250 * time.Millisecond)
		last = s.bottlenecks()
		return len(last) > 0 && last[0].Rule == rule
	})
	s.t.Logf("after %v: %v", time.Since(begun).Round(100*time.Millisecond), last[0])
	return last[0]
}

func (f found) is(t *testing.T, phase, plugin string) {
	t.Helper()
	if f.Phase != phase || f.Plugin != plugin || f.Version > 1 {
		t.Errorf("found %v, want it in %s of %q, version 1", f, phase, plugin)
	}
}

// tells waits for an event of a finding.
func (s *server) tells(kind string, of found) {
	s.t.Helper()
	s.await(kind, func() bool {
		time.Sleep(250 * time.Millisecond)
		_, answer := s.do("GET", "/v1/events?type="+kind+"&plugin="+of.Plugin, nil, "Accept", "application/json")
		var told []struct{ Data struct{ Rule string } }
		if err := json.Unmarshal(answer, &told); err != nil {
			s.t.Fatalf("%v: %s", err, answer)
		}
		for _, e := range told {
			if e.Data.Rule == of.Rule {
				return true
			}
		}
		return false
	})
}

// slowDown makes system calls of the server take longer.
func (s *server) slowDown(calls string, by time.Duration) {
	s.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		s.t.Skip("make testtools installs strace, by which system calls are made slow")
	}
	cmd := exec.Command("strace", "-f", "-o", "/dev/null", "-p", strconv.Itoa(s.cmd.Process.Pid), "-e", "trace="+calls,
		"-e", fmt.Sprintf("inject=%s:delay_enter=%d", calls, by.Microseconds()))
	says, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	lines := bufio.NewScanner(says)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "attached") {
			return
		}
		if strings.Contains(lines.Text(), "ptrace") {
			s.t.Skipf("nobody may trace here: %s", lines.Text())
		}
	}
}

func TestPlantedBottlenecksAreFound(t *testing.T) {
	t.Run("a pool that is too small, and the gain of what is advised", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "[pool]\nmax = 1\n")
		l := s.callers(8, "p/invoke/nap", always("20"))
		f := s.finds("pool_too_small")
		f.is(t, "pool", "p")
		s.tells("finding.opened", f)
		before := l.mean(s, 40)
		s.plant("p", "[pool]\nmax = "+f.Advice.Value+"\n")
		s.await("the new version to be used", func() bool { return l.mean(s, 8) < before })
		if after := l.mean(s, 80); float64(before-after) < 0.6*f.Advice.GainMS*float64(time.Millisecond) {
			t.Errorf("calls took %v and take %v; %v ms less were promised of %v", before, after, f.Advice.GainMS, f.Advice)
		} else {
			t.Logf("with %s = %s calls take %v, not %v; %.0f ms less were promised", f.Advice.Setting, f.Advice.Value, after, before, f.Advice.GainMS)
		}
		l.stop()
		s.await("all to be well again", func() bool { time.Sleep(250 * time.Millisecond); return len(s.bottlenecks()) == 0 })
		s.tells("finding.closed", f)
	})
	t.Run("a guest that sleeps in a host call", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "")
		s.plant("q", "")
		s.callers(1, "q/invoke", always(""))
		s.callers(2, "p/invoke/nap", always("50"))
		f := s.finds("host_waits")
		f.is(t, "host", "p")
		if !strings.Contains(f.Cause, "clock") {
			t.Errorf("it does not say what is waited for: %v", f)
		}
	})
	t.Run("a hot loop in a function with a name", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "[limits]\ntimeout = \"30s\"\n")
		s.callers(1, "p/invoke/spin", always("1000000"))
		s.finds("guest_computes").is(t, "run", "p")
		s.await("the function to be named", func() bool {
			f := s.finds("guest_computes")
			return len(f.Functions) > 0 && f.Functions[0].Name == "find_needle" && f.Functions[0].FlatShare > 0.9
		})
	})
	t.Run("memory that is put back", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "")
		s.callers(1, "p/invoke/scribble", always("24"))
		s.finds("dirty_memory").is(t, "rewind", "p")
	})
	t.Run("memory that grows", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "[limits]\ntimeout = \"30s\"\n")
		// More and more calls at once, each of which keeps some memory for a while.
		var growing sync.WaitGroup
		enough := make(chan struct{})
		defer func() { close(enough); growing.Wait() }()
		growing.Go(func() {
			for range 100 {
				s.callers(1, "p/invoke/soak", always("16"))
				select {
				case <-time.After(100 * time.Millisecond):
				case <-enough:
					return
				}
			}
		})
		s.finds("memory_grows").is(t, "memory", "p")
		s.kill() // so that callers need not be waited for
	})
	t.Run("one plugin that starves another, and the gain of what is advised", func(t *testing.T) {
		folder := t.TempDir()
		configuration := filepath.Join(folder, "runtime.toml")
		writeFile(t, configuration, "[scheduler]\npolicy = \"fifo\"\n")
		starve := func(s *server) (victim *load) {
			s.plant("hog", "[limits]\ntimeout = \"30s\"\n")
			s.plant("victim", "[limits]\ntimeout = \"30s\"\n")
			s.callers(16, "hog/invoke/spin", always("400000"))
			return s.callers(2, "victim/invoke/spin", always("10000"))
		}
		s := startAs(t, shipped, t.TempDir(), "--config", configuration)
		victim := starve(s)
		f := s.finds("noisy_neighbour")
		f.is(t, "queue", "hog")
		before := victim.mean(s, 20)
		s.kill()
		if f.Advice.Value != "fair" {
			t.Fatalf("%v is advised, want the fair policy", f.Advice)
		}
		writeFile(t, configuration, "[scheduler]\npolicy = \""+f.Advice.Value+"\"\n")
		s = startAs(t, shipped, t.TempDir(), "--config", configuration)
		victim = starve(s)
		victim.mean(s, 50)
		if after := victim.mean(s, 50); after > before/2 {
			t.Errorf("calls of the victim took %v and take %v", before, after)
		} else {
			t.Logf("under the fair policy calls of the victim take %v, not %v", after, before)
		}
	})
	t.Run("calls that are refused", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "[limits]\ntimeout = \"40ms\"\n[pool]\nmax = 1\n")
		s.callers(12, "p/invoke/nap", always("15"))
		s.finds("refusals").is(t, "queue", "p")
	})
	t.Run("instances that are made anew for each call", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		file := filepath.Join(folder, "handlers.wasm")
		module := build(t, file, wasip1, "go", "build", "-buildmode=c-shared", "-tags=handlers", "-o", file, "../../runtime/engine/testdata/guest")
		body, contentType := form(t, module, "image = \"off\"\n[limits]\ntimeout = \"30s\"\n")
		if status, answer := s.do("PUT", "/v1/plugins/p", body, "Content-Type", contentType); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		s.callers(8, "p/invoke", always("x"))
		s.finds("cold_births").is(t, "birth", "p")
	})
	t.Run("calls that fail", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "")
		s.callers(1, "p/invoke/trap", always(""))
		s.finds("failures").is(t, "run", "p")
	})
	t.Run("a slow disk", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.upload("p", telling(1))
		s.upload("p", telling(2))
		s.slowDown("fsync,fdatasync", 100*time.Millisecond)
		for n := range 6 {
			if status, answer := s.do("POST", "/v1/plugins/p/live", fmt.Appendf(nil, `{"version": %d}`, 1+n%2)); status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
		}
		s.finds("slow_disk").is(t, "disk", "")
	})
	t.Run("nothing, on an idle and on a busy server", func(t *testing.T) {
		s := startAs(t, shipped, t.TempDir())
		s.plant("p", "")
		s.plant("q", "")
		time.Sleep(2 * time.Second)
		if f := s.bottlenecks(); len(f) != 0 {
			t.Errorf("the idle server has %v", f)
		}
		a, b := s.callers(4, "p/invoke", nowAndThen("")), s.callers(4, "q/invoke/spin", nowAndThen("2000"))
		for range 12 {
			time.Sleep(500 * time.Millisecond)
			if f := s.bottlenecks(); len(f) != 0 {
				t.Errorf("the busy server, %d and %d calls so far, has %v", a.calls.Load(), b.calls.Load(), f)
			}
		}
	})
}
