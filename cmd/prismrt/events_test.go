package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/marketprism/prismrt/sdk/client"
)

// follower follows the events of a server, wherever it is at the moment, over connections
// that a test can cut.
type follower struct {
	mu      sync.Mutex
	address string
	conns   []net.Conn
	events  []client.Event
}

func (s *server) followed() *follower {
	s.t.Helper()
	f := &follower{}
	f.moved(s)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.address)
		if err == nil {
			f.conns = append(f.conns, c)
		}
		return c, err
	}}
	c, err := client.New("http://127.0.0.1", client.Options{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range c.Events(ctx, client.EventOptions{Follow: true}) {
			if err != nil {
				if ctx.Err() == nil {
					s.t.Errorf("events: %v", err)
				}
				return
			}
			f.mu.Lock()
			f.events = append(f.events, e)
			f.mu.Unlock()
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return f
}

// moved is told where the server is.
func (f *follower) moved(s *server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.address = strings.TrimPrefix(s.url, "http://")
}

// cut breaks the connections there are.
func (f *follower) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

// seen are the types of what came, with the versions, without those that begin so.
func (f *follower) seen(without ...string) (types []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if slices.ContainsFunc(without, func(prefix string) bool { return strings.HasPrefix(e.Type, prefix) }) {
			continue
		}
		types = append(types, strings.TrimSuffix(fmt.Sprintf("%s %d", e.Type, e.Version), " 0"))
	}
	return types
}

func (f *follower) await(s *server, typ string) {
	s.t.Helper()
	s.await(typ, func() bool { return slices.Contains(f.seen(), typ) })
}

func TestWhatHappensIsFollowedOverCutsAndRestarts(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	f := s.followed()
	f.await(s, "server.ready")
	s.put(moody(1, 'x', 's'), "")
	f.cut()
	s.put(moody(2, 'x', 's'), "")
	f.await(s, "version.live 2")
	for s.call("x") != "503 unavailable" {
	}
	f.await(s, "version.fenced 2")
	f.await(s, "call.failed 2")
	f.await(s, "call.refused 2")
	s.release(`{"version": 1}`)
	f.cut()
	s.release(`{"version": 2, "share": 0.5}`)
	s.release(`{"version": 1}`)
	f.await(s, "canary.ended 2")
	want := []string{
		"server.started", "server.ready", "version.uploaded 1", "version.live 1", "version.uploaded 2", "version.live 2",
		"version.fenced 2", "version.live 1", "canary.started 2", "canary.ended 2",
	}
	if got := f.seen("call.", "finding."); !slices.Equal(got, want) {
		t.Errorf("seen was %v\nwant %v", got, want)
	}

	s.kill()
	s = start(t, data)
	f.moved(s)
	f.await(s, "gap")
	if status, answer := s.do("DELETE", "/v1/plugins/moody", nil); status != http.StatusNoContent {
		t.Fatalf("deleting: %d %s", status, answer)
	}
	f.await(s, "plugin.deleted")
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	f.await(s, "server.stopping")
	want = append(want, "gap", "server.started", "server.ready", "plugin.deleted", "server.stopping")
	if got := f.seen("call.", "finding."); !slices.Equal(got, want) {
		t.Errorf("seen was %v\nwant %v", got, want)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	count, ids := map[string]int64{}, map[string]bool{}
	for _, e := range f.events {
		if ids[e.ID] {
			t.Errorf("%s came twice", e.ID)
		}
		ids[e.ID] = true
		count[e.Type] += e.Count
		switch e.Type {
		case "gap":
			if e.Count != 0 || string(e.Data) != `{"restarted":true}` {
				t.Errorf("the gap is %+v", e)
			}
		case "call.failed":
			if e.Kind != client.KindTrap || len(e.RequestID) != 26 || !strings.Contains(e.Message, "unreachable") || e.Plugin != "moody" {
				t.Errorf("a fault is %+v", e)
			}
		}
	}
	if count["call.failed"] != 20 || count["call.refused"] != 1 {
		t.Errorf("%d faults and %d refusals were told of, want 20 and 1", count["call.failed"], count["call.refused"])
	}
}

// unread opens a stream of events that nobody reads.
func (s *server) unread() {
	s.t.Helper()
	c, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprint(c, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
}

func TestStreamsOfEventsDoNotKeepTheServerFromStopping(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[server]\ngrace = \"1h\"\n")
	s := start(t, t.TempDir(), "--config", config)
	f := s.followed()
	for range 20 {
		s.unread()
	}
	s.put(moody(1, 'x', 's'), "")
	f.await(s, "version.live 1")
	s.store(moody(2, 'x', 's'))
	for n := range 200 {
		s.release(fmt.Sprintf(`{"version": %d}`, 1+n%2))
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.await("the server to end, long before the hour is over", func() bool {
		select {
		case <-s.exit:
			return true
		default:
			return false
		}
	})
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	f.await(s, "server.stopping")
}

func TestCallsGoOnBesideReadersThatDoNotRead(t *testing.T) {
	s := start(t, t.TempDir())
	for range 60 {
		s.unread()
	}
	s.put(moody(1, 'x', 's'), "")
	s.put(moody(2, 'x', 's'), "")
	stop := make(chan struct{})
	var flipping sync.WaitGroup
	flips := 0
	flipping.Go(func() {
		for ; ; flips++ {
			select {
			case <-stop:
				return
			default:
				s.release(fmt.Sprintf(`{"version": %d}`, 1+flips%2))
			}
		}
	})
	for range 500 {
		if a := s.call(""); a != "0001" && a != "0002" {
			t.Fatalf("a call answered %q", a)
		}
	}
	close(stop)
	flipping.Wait()
	_, answer := s.do("GET", "/v1/events?type=version.live", nil, "Accept", "application/json")
	var events []client.Event
	if err := json.Unmarshal(answer, &events); err != nil || len(events) < min(flips, 1000) {
		t.Errorf("of %d flips %d events are kept: %v", flips, len(events), err)
	}
}

func TestEventsAreLinesForPeopleAndForPrograms(t *testing.T) {
	s := start(t, t.TempDir())
	s.put(moody(1, 'x', 's'), "")
	env := []string{"PRISM_URL=" + s.url}
	for range 3 {
		s.call("x")
	}
	stdout, stderr, code := command(t, env, "events", "--plugin", "moody")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) < 3 || !strings.Contains(lines[0], "  version.uploaded   moody/1           {\"digest\":\"sha256:") ||
		!strings.Contains(lines[1], "  version.live       moody/1           {\"previous\":0}") ||
		!strings.Contains(lines[2], "  call.failed        moody/1           trap: the guest trapped: unreachable request 01") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	stdout, _, code = command(t, env, "events", "--json", "--type", "version.live", "--type", "server")
	var types []string
	for line := range strings.SplitSeq(strings.TrimSpace(stdout), "\n") {
		var e client.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		types = append(types, e.Type)
	}
	if code != 0 || fmt.Sprint(types) != "[server.started server.ready version.live]" {
		t.Errorf("exit code %d, %v", code, types)
	}
	if stdout, _, code := command(t, env, "events", "--since", "now"); code != 0 || stdout != "" {
		t.Errorf("since now: exit code %d, %q", code, stdout)
	}
	if _, stderr, code := command(t, env, "events", "--type", "nothing"); code != 1 || !strings.Contains(stderr, `no events of type "nothing"; there are server.started`) {
		t.Errorf("a type that there is not: exit code %d, %q", code, stderr)
	}

	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "events", "-f", "--since", "now", "--url", s.url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	printed := make(chan string, 1000)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			printed <- lines.Text()
		}
		close(printed)
	}()
	s.store(moody(2, 'x', 's'))
	flip := 0
	s.await("a line", func() bool { // it may not have been there for the first ones
		flip++
		s.release(fmt.Sprintf(`{"version": %d}`, 1+flip%2))
		return len(printed) > 0
	})
	for {
		line, ok := <-printed
		if !ok {
			t.Fatal("it ended")
		}
		if strings.Contains(line, "  version.live       moody/") {
			break
		}
	}
}
