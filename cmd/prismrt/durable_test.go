package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

// What was taken is done, although the server was killed right after it said so.
func TestTasksOfTheCommandLineSurviveTheServer(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.uploadPatient("guest", obedient(t))
	env := func() []string { return []string{"PRISM_URL=" + s.url} }
	const many = 300
	var lines strings.Builder
	for n := range many {
		fmt.Fprintf(&lines, "upper item %d\n", n)
	}
	path := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	later, errs, code := command(t, env(), "submit", "guest", "--data", "upper later", "--delay", "1h")
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	out, errs, code := command(t, env(), "submit", "guest", "--batch", path, "--idempotency-key", "items")
	s.kill()
	ids := strings.Fields(out)
	if code != 0 || len(ids) != many {
		t.Fatalf("exit code %d, %d ids, %s", code, len(ids), errs)
	}

	s = start(t, data)
	c, err := client.New(s.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, id := range ids {
		r, err := c.Result(t.Context(), id, time.Minute)
		if err != nil || string(r.Output) != fmt.Sprintf("ITEM %d", n) {
			t.Fatalf("task %d came to %+v, %v", n, r, err)
		}
	}
	// The same batch is the same tasks.
	if again, errs, code := command(t, env(), "submit", "guest", "--batch", path, "--idempotency-key", "items"); code != 0 || again != out {
		t.Errorf("submitted again: exit code %d, %s, other tasks: %v", code, errs, again != out)
	}
	later = strings.TrimSpace(later)
	if out, errs, code = command(t, env(), "tasks", "result", later); code != 1 || out != "" || !strings.Contains(errs, "has not ended") {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
	if out, errs, code = command(t, env(), "tasks", "list", "--json", "--state", "scheduled"); code != 0 || strings.Count(out, `"id"`) != 1 || !strings.Contains(out, later) {
		t.Errorf("exit code %d, %s, %s", code, errs, out)
	}
	if out, errs, code = command(t, env(), "rm", "guest"); code != 1 || !strings.Contains(errs, "1 tasks of guest have not ended") {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
	if out, errs, code = command(t, env(), "tasks", "cancel", later); code != 0 || out != later+" is canceled\n" {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
}

func TestATaskThatFailsIsSeenAndMendedFromTheCommandLine(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("guest", obedient(t))
	run := func(want int, args ...string) (out, errs string) {
		t.Helper()
		out, errs, code := command(t, []string{"PRISM_URL=" + s.url}, args...)
		if code != want {
			t.Fatalf("prismrt %s: exit code %d, %s%s", strings.Join(args, " "), code, out, errs)
		}
		return out, errs
	}
	out, _ := run(0, "submit", "guest", "--data", "exit 3")
	id := strings.TrimSpace(out)
	if out, _ = run(1, "tasks", "watch", id); !strings.Contains(out, "dead, attempt 1, exit: ") {
		t.Errorf("it is watched as\n%s", out)
	}
	if _, errs := run(1, "tasks", "result", id); !strings.Contains(errs, "exit code 3") || !strings.Contains(errs, "task "+id) {
		t.Errorf("its result is %s", errs)
	}
	if out, _ = run(0, "tasks", "dead"); !strings.Contains(out, id) || !strings.Contains(out, "exit code 3") {
		t.Errorf("dead are\n%s", out)
	}
	if out, _ = run(0, "tasks", "input", id); out != "exit 3" {
		t.Errorf("its input is %q", out)
	}
	if _, errs := run(1, "submit", "guest", "--version", "0"); !strings.Contains(errs, "guest has no version 0; it has 1 to 1") {
		t.Errorf("a version that is not there: %s", errs)
	}
	run(0, "tasks", "retry", id, "--data", "upper better")
	if out, _ = run(0, "tasks", "result", id, "--wait", "1m"); out != "BETTER" {
		t.Errorf("sent again it came to %q", out)
	}
	var shown client.Task
	if out, _ = run(0, "tasks", "show", id, "--json"); json.Unmarshal([]byte(out), &shown) != nil || shown.State != client.Succeeded || len(shown.Attempts) != 2 {
		t.Errorf("it is shown as\n%s", out)
	}
	if out, _ = run(0, "submit", "guest", "--data", "upper now", "--wait"); out != "NOW" {
		t.Errorf("a result that was waited for is %q", out)
	}
}
