package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/cmd/internal/servedtest"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

func TestTheAccountHolds(t *testing.T) {
	servedtest.Need(t)
	flags, err := servedtest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"kill":  {"--kills", "3", "--life", "700ms"},
		"power": {"--failures", "2", "--life", "700ms"},
		"full":  {"--times", "2", "--for", "1s"},
		"sync":  {"--times", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, log bytes.Buffer
			code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, append(append([]string{name, "--json"}, args...), flags...))
			if code != 0 && strings.Contains(log.String(), errUnable.Error()) {
				t.Skip("it takes rights to mount or to trace, which nobody here has: " + log.String())
			}
			if code != 0 {
				t.Fatalf("exit code %d: %s%s", code, out.String(), log.String())
			}
			var a account
			if err := json.Unmarshal(out.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
			if a.Acknowledged < 100 || a.Unheard == 0 || a.Runs == 0 {
				t.Errorf("there is little to account for: %s", out.String())
			}
		})
	}
}

func TestMisuseEndsWithTwo(t *testing.T) {
	for _, args := range [][]string{{}, {"kill", "--kills", "0"}, {"power", "--life", "1ms"}, {"full", "--for", "1ms"}, {"sync", "--times", "0"}, {"clock", "--callers", "0"}, {"forget"}} {
		var out, log bytes.Buffer
		if code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, args); code != 2 || log.Len() == 0 {
			t.Errorf("%q: exit code %d, %q", args, code, log.String())
		}
	}
}
