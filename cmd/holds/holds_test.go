package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/servedtest"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
)

// The test binary stands for holds where that starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "plain-") {
		main()
	}
	dir, err := os.MkdirTemp("", "prismrt-holds-test-")
	if err != nil {
		panic(err)
	}
	madeIn = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// madeIn is a folder for what all tests use.
var madeIn string

// made is what all tests use, built once.
var made = sync.OnceValues(func() ([]string, error) { return servedtest.Build(madeIn) })

// built returns the flags that name it.
func built(t *testing.T) []string {
	t.Helper()
	servedtest.Need(t)
	flags, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"--json"}, flags...)
}

// holds runs a command and decodes what it prints.
func holds(t *testing.T, into any, args ...string) {
	t.Helper()
	var out, log bytes.Buffer
	code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, args)
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatalf("exit code %d: %s%s", code, out.String(), log.String())
	}
}

func TestHostileGuestsAreStoppedAndTheNextCallWorks(t *testing.T) {
	flags := built(t)
	const rounds = "2"
	for _, guest := range hostile {
		t.Run(guest.name, func(t *testing.T) {
			var report struct{ Guests []series }
			holds(t, &report, append(flags, "limits", "--rounds", rounds, "--patience", "20s", "--guest", guest.name)...)
			row := report.Guests[0]
			for kind, n := range row.Kinds {
				if !guest.mayEnd(kind) {
					t.Errorf("%d calls were answered as %s, want %v or busy", n, kind, guest.ends)
				}
			}
			if row.Answered.Count != 2*crowd || row.Next.Count != 2 {
				t.Errorf("%d hostile calls and %d after them, want %d and 2", row.Answered.Count, row.Next.Count, 2*crowd)
			}
			for _, broke := range row.Broke {
				if !strings.HasPrefix(broke, "memory") { // which depends on what else the machine does
					t.Error(broke)
				}
			}
		})
	}
}

func TestShortCallsAreMadeWhileGuestsSpin(t *testing.T) {
	var rows []measured
	holds(t, &rows, append(built(t), "freeze", "--calls", "20", "--spin", "100ms", "--most", "20s")...)
	checkRows(t, rows, 20)
}

func TestGarbageIsCollectedWhileGuestsSpin(t *testing.T) {
	var rows []measured
	holds(t, &rows, append(built(t), "gc", "--times", "3", "--spin", "100ms", "--most", "20s")...)
	checkRows(t, rows, 3)
}

// checkRows wants all but what plain wazero does beside spinning guests, which
// may take any time.
func checkRows(t *testing.T, rows []measured, count int64) {
	t.Helper()
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4", len(rows))
	}
	for i, m := range rows {
		if m.Failure != "" || m.Count < count && i < 3 || m.Count > 0 && m.MaxMS <= 0 || m.Spinning != i%2*crowd {
			t.Errorf("row %d is %+v", i, m)
		}
	}
}

func TestMisuseIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown flag":                          {"limits", "--round", "1"},
		`there is no guest "lop"`:               {"limits", "--guest", "lop"},
		"must be over 0":                        {"limits", "--rounds", "0"},
		"output does not go on":                 {"freeze", "--guest", "output"},
		"--times, --spin and --most must be ov": {"gc", "--times", "0"},
	} {
		var out, log bytes.Buffer
		if code := run(t.Context(), &terminal.IO{Out: &out, Err: &log}, args); code != 2 || !strings.Contains(log.String(), want) {
			t.Errorf("%q: exit code %d, %s; want 2 and %q", args, code, log.String(), want)
		}
	}
}

func TestTimesAreShownFromTheDeadlineOn(t *testing.T) {
	times := timings.New()
	for n := range 100 {
		times.Add(150*time.Millisecond + time.Duration(n+1)*time.Millisecond)
	}
	times.Add(time.Hour)                    // longer than there is room for
	s := times.Over(200 * time.Millisecond) // to the upper end of 8 µs
	if s.Count != 101 || signed(s.P50MS) != "+1.01" || signed(s.P99MS) != "+50.0" || s.MaxMS < 599_000 {
		t.Errorf("%+v: %s, %s", s, signed(s.P50MS), signed(s.P99MS))
	}
}
