package replay_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/replay"
	"github.com/marketprism/prismrt/sdk/client"
)

func TestTheFirstFolderThatExistsIsUsed(t *testing.T) {
	dir := t.TempDir()
	if _, err := replay.Load([]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}); err == nil || !strings.Contains(err.Error(), "none of") {
		t.Errorf("without any folder: %v", err)
	}
	if _, err := replay.Load([]string{dir}); err == nil || !strings.Contains(err.Error(), "no messages") {
		t.Errorf("of an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.ndjson"), []byte("1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := replay.Load([]string{filepath.Join(dir, "a"), dir, filepath.Join(dir, "b")})
	if err != nil || len(set.Messages) != 2 || string(set.Messages[1]) != "2" || !set.Recorded {
		t.Errorf("the set is %+v, %v", set, err)
	}
	if want := "2 messages from " + dir + ", recorded from exchanges"; set.String() != want {
		t.Errorf("it calls itself %q, want %q", set, want)
	}
}

func TestReplaySendsEveryMessageOnceAndSeveralAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var messages [][]byte
		for i := range 10 * replay.Callers {
			messages = append(messages, fmt.Append(nil, i))
		}
		var ticks atomic.Int64
		call := func(_ context.Context, input []byte) (*client.Result, error) {
			time.Sleep(time.Second)
			return &client.Result{Output: append([]byte("of "), input...)}, nil
		}
		answers, took := replay.Run(t.Context(), call, messages, func() { ticks.Add(1) })
		for i, a := range answers {
			if want := fmt.Sprintf("of %d", i); string(a.Output) != want || a.Err != nil || a.Latency != time.Second {
				t.Errorf("answer %d is %q, %v after %v", i, a.Output, a.Err, a.Latency)
			}
		}
		if int(ticks.Load()) != len(messages) {
			t.Errorf("%d ticks for %d messages", ticks.Load(), len(messages))
		}
		if took != 10*time.Second {
			t.Errorf("%d messages of a second each took %v with %d callers, want 10s", len(messages), took, replay.Callers)
		}
	})
}

func TestAnInterruptedReplayCallsNoFurther(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var calls atomic.Int64
	call := func(context.Context, []byte) (*client.Result, error) {
		calls.Add(1)
		interrupt()
		return &client.Result{}, nil
	}
	answers, _ := replay.Run(ctx, call, make([][]byte, 100), func() {})
	if n := calls.Load(); n > replay.Callers {
		t.Errorf("%d calls were made, want at most the %d that were under way", n, replay.Callers)
	}
	if err := answers[99].Err; !errors.Is(err, context.Canceled) {
		t.Errorf("a message that was not sent has the answer %v", err)
	}
}

func TestTheSampleIsSentWithoutItsAnswers(t *testing.T) {
	set, err := replay.Load([]string{"absent", "../../../sdk/testdata/market"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Recorded || len(set.Files) != 3 || len(set.Messages) != 44 {
		t.Errorf("%d messages of %q, recorded: %v; want the 44 of three exchanges", len(set.Messages), set.Files, set.Recorded)
	}
}
