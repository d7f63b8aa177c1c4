package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/cmd/internal/servedtest"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/sdk/sdktest"
)

// The test binary stands for load where that starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "compared" {
		main()
	}
	os.Exit(m.Run())
}

// built builds a server and the guests, and returns the flags that name them.
func built(t *testing.T) []string {
	t.Helper()
	servedtest.Need(t)
	flags, err := servedtest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestEveryCommandMeasures(t *testing.T) {
	flags := built(t)
	load := func(t *testing.T, args ...string) (table string, rows map[string]any) {
		t.Helper()
		var out, log bytes.Buffer
		if code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, append(args, flags...)); code != 0 {
			t.Fatalf("exit code %d: %s%s", code, out.String(), log.String())
		}
		if !strings.HasPrefix(out.String(), "{") {
			return out.String(), nil
		}
		if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return "", rows
	}
	t.Run("throughput", func(t *testing.T) {
		table, _ := load(t, "throughput", "--rounds", "2", "--seconds", "0.1", "--connections", "2,4")
		for _, of := range []string{"floor", "headers", "prismrt", "fresh", "pool"} {
			for _, connections := range []int{2, 4} {
				if row := fmt.Sprintf("\n %-7s %6d  ", of, connections); !strings.Contains(table, row) {
					t.Errorf("there is no row %q:\n%s", row, table)
				}
			}
		}
	})
	short := []string{"--seconds", "0.2", "--warm", "100ms", "--work", "1ms", "--deadline", "5s", "--outstanding", "50"}
	t.Run("fairness", func(t *testing.T) {
		_, rows := load(t, append([]string{"fairness", "--json", "--times", "2"}, short...)...)
		phases, _ := rows["phases"].([]any)
		if len(phases) != 3 {
			t.Fatalf("%d phases, want 3: %v", len(phases), rows)
		}
		for _, p := range phases {
			if share, _ := p.(map[string]any)["b_share"].(float64); share <= 0 || share > 1 {
				t.Errorf("the share of B is %v: %v", share, p)
			}
		}
	})
	t.Run("overload", func(t *testing.T) {
		table, _ := load(t, append([]string{"overload", "--times", "0.5,3"}, short...)...)
		for _, row := range []string{"\n 0.5x ", "\n 3x "} {
			if !strings.Contains(table, row) {
				t.Errorf("there is no row %q:\n%s", row, table)
			}
		}
	})
	t.Run("scripts", func(t *testing.T) {
		const interpreters = "../../bench/build"
		if _, err := os.Stat(interpreters + "/javascript.wasm"); err != nil {
			sdktest.Missing(t, "the interpreter was not fetched; make -C bench javascript, which make test runs, does it")
		}
		table, _ := load(t, "scripts", "--languages", "javascript", "--interpreters", interpreters, "--scripts", "../../bench/guests", "--uploads", "1", "--rounds", "2", "--seconds", "0.1")
		for _, row := range []string{"\n          c ", "\n javascript "} {
			if !strings.Contains(table, row) {
				t.Errorf("there is no row %q:\n%s", row, table)
			}
		}
	})
}

func TestMisuseIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown flag":                      {"throughput", "--round", "1"},
		"--rounds and --seconds must be":    {"throughput", "--rounds", "0"},
		"--connections must be over 0":      {"throughput", "--connections", "0"},
		"--times and --backlog must be":     {"fairness", "--times", "0"},
		"--work must be at least 100us":     {"fairness", "--work", "1us"},
		"--times must be over 0":            {"overload", "--times", "1,0"},
		"--rounds, --seconds and --uploads": {"scripts", "--uploads", "0"},
		"--seconds and --outstanding must ": {"overload", "--outstanding", "0"},
	} {
		var out, log bytes.Buffer
		if code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, args); code != 2 || !strings.Contains(log.String(), want) {
			t.Errorf("%q: exit code %d, %s; want 2 and %q", args, code, log.String(), want)
		}
	}
}
