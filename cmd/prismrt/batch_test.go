package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/sdk/client"
)

func TestABatchOfAProgram(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("guest", obedient(t))
	c, err := client.New(s.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const many = 300
	inputs := func(yield func([]byte) bool) {
		for n := range many {
			input := fmt.Sprintf("upper item %d", n)
			switch n % 50 {
			case 10:
				input = "exit 3"
			case 20:
				input = "panic over"
			case 30:
				input = "sleep 20ms"
			}
			if !yield([]byte(input)) {
				return
			}
		}
	}
	n := 0
	for output, err := range c.Batch(t.Context(), "guest", inputs, client.CallOptions{}) {
		got, want := string(output), fmt.Sprintf("ITEM %d", n)
		if p, ok := errors.AsType[*client.Problem](err); ok {
			got = string(p.Kind)
		} else if err != nil {
			t.Fatal(err)
		}
		switch n % 50 {
		case 10, 20:
			want = "exit"
		case 30:
			want = "slept"
		}
		if got != want {
			t.Fatalf("item %d: %q, %v; want %q", n, got, err, want)
		}
		n++
	}
	if n != many {
		t.Errorf("%d answers to %d inputs", n, many)
	}
	if stats := s.calls("guest"); stats != many {
		t.Errorf("the statistics have %d calls of %d", stats, many)
	}
}

// calls is how many calls of a plugin the statistics have.
func (s *server) calls(plugin string) int {
	var stats struct {
		Plugins []struct {
			Plugin string
			Calls  int
		}
	}
	_, answer := s.do("GET", "/v1/stats", nil)
	if err := json.Unmarshal(answer, &stats); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range stats.Plugins {
		if p.Plugin == plugin {
			return p.Calls
		}
	}
	return 0
}

// The time a server gives a request as a whole is not that of a stream.
func TestABatchOutlastsTheTimeoutsOfARequest(t *testing.T) {
	config := t.TempDir() + "/runtime.toml"
	writeFile(t, config, "[server]\nheader_timeout = \"200ms\"\nbody_timeout = \"200ms\"\n[default]\ntimeout = \"2s\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.upload("guest", obedient(t))
	body, input := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/plugins/guest/batch", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answers := bufio.NewReader(resp.Body)
	for range 4 {
		if _, err := io.WriteString(input, "sleep 300ms\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := answers.ReadString('\n'); err != nil || line != `{"output":"slept"}`+"\n" {
			t.Fatalf("answer %q, %v", line, err)
		}
	}
	input.Close()
	if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestACallOfABatchFromTheCommandLine(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("guest", obedient(t))
	out, errs, code := command(t, []string{"PRISM_URL=" + s.url}, "call", "guest", "--batch", "--data", "upper {\"a\":1}\nexit 3\n\nupper \"b")
	lines := strings.Split(out, "\n")
	if code != 1 || !strings.Contains(errs, "1 of 3 inputs failed") || len(lines) != 4 || lines[0] != `{"output":{"A":1}}` ||
		!strings.Contains(lines[1], `"kind":"exit"`) || lines[2] != `{"output":"\"B"}` {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
}
