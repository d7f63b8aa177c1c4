package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

// A copy that was made in the middle of everything is a server's data.
func TestABackupOfABusyServerIsAServer(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.uploadPatient("guest", obedient(t))
	c, err := client.New(s.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("upper x", 60_000) // more than the database itself keeps
	const many = 200
	ids := make([]string, 0, many)
	submit := func() {
		t.Helper()
		input := fmt.Sprintf("upper item %d", len(ids))
		if len(ids)%50 == 1 {
			input = large
		}
		r, err := c.Submit(t.Context(), "guest", []byte(input), client.SubmitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	for range many / 2 {
		submit()
	}
	before := len(ids)
	to := filepath.Join(t.TempDir(), "copy")
	type outcome struct {
		out, errs string
		code      int
	}
	done := make(chan outcome, 1)
	go func() {
		out, errs, code := command(t, nil, "backup", to, "--data", data)
		done <- outcome{out, errs, code}
	}()
	for len(ids) < many {
		submit()
	}
	if o := <-done; o.code != 0 || !strings.Contains(o.out, "serve --data") {
		t.Fatalf("exit code %d, %s%s", o.code, o.out, o.errs)
	}
	if _, errs, code := command(t, nil, "backup", to, "--data", data); code != 2 || !strings.Contains(errs, "not there yet") {
		t.Errorf("once more: exit code %d, %s", code, errs)
	}
	if _, errs, code := command(t, nil, "backup", to+"2", "--data", t.TempDir()); code != 2 || !strings.Contains(errs, "no database") {
		t.Errorf("of nothing: exit code %d, %s", code, errs)
	}
	s.kill()

	s = start(t, to)
	if c, err = client.New(s.url, client.Options{}); err != nil {
		t.Fatal(err)
	}
	for n, id := range ids[:before] {
		want := fmt.Sprintf("ITEM %d", n)
		if n%50 == 1 {
			want = strings.ToUpper(strings.TrimPrefix(large, "upper "))
		}
		r, err := c.Result(t.Context(), id, time.Minute)
		if err != nil || string(r.Output) != want {
			t.Fatalf("task %d came to %.60q, %v", n, r.Output, err)
		}
	}
}
