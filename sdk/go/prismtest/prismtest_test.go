package prismtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	prism "github.com/marketprism/prismrt/sdk/go"
	"github.com/marketprism/prismrt/sdk/go/prismtest"
)

func TestOutputIsWhatTheHandlerReturned(t *testing.T) {
	upper := func(_ context.Context, in []byte) ([]byte, error) { return bytes.ToUpper(in), nil }
	got := prismtest.Call(upper, []byte("hello"))
	if got.Err != nil || string(got.Output) != "HELLO" {
		t.Errorf("output %q, error %v", got.Output, got.Err)
	}
}

func TestHandlerSeesALargeInputWhole(t *testing.T) {
	in := bytes.Repeat([]byte("0123456789"), 100_000)
	got := prismtest.Call(func(_ context.Context, in []byte) ([]byte, error) { return in, nil }, in)
	if !bytes.Equal(got.Output, in) {
		t.Errorf("%d bytes came back of %d", len(got.Output), len(in))
	}
}

func TestHandlerCannotChangeTheCallersInput(t *testing.T) {
	in := []byte("hello")
	prismtest.Call(func(_ context.Context, in []byte) ([]byte, error) { clear(in); return nil, nil }, in)
	if string(in) != "hello" {
		t.Errorf("input is now %q", in)
	}
}

func TestErrorReachesTheCallerAsText(t *testing.T) {
	failing := func(context.Context, []byte) ([]byte, error) {
		return []byte("half"), fmt.Errorf("read order: %w", errors.New("no price"))
	}
	got := prismtest.Call(failing, nil)
	if got.Err == nil || got.Err.Error() != "read order: no price" {
		t.Errorf("error = %v", got.Err)
	}
	if got.Output != nil {
		t.Errorf("output %q of a failed call", got.Output)
	}
}

func TestLogLinesAreKeptInOrderWithTheirLevels(t *testing.T) {
	got := prismtest.Call(func(context.Context, []byte) ([]byte, error) {
		prism.Log(prism.LevelDebug, "first")
		prism.Log(prism.LevelError, "second")
		return nil, nil
	}, nil)
	want := []prismtest.Line{{prism.LevelDebug, "first"}, {prism.LevelError, "second"}}
	if len(got.Log) != 2 || got.Log[0] != want[0] || got.Log[1] != want[1] {
		t.Errorf("log = %v, want %v", got.Log, want)
	}
}

func TestProgressIsKeptInOrder(t *testing.T) {
	got := prismtest.Call(func(context.Context, []byte) ([]byte, error) {
		prism.Progress(1, 2, "half")
		prism.Progress(-1, -1, "")
		return nil, nil
	}, nil)
	want := []prismtest.Step{{Done: 1, Total: 2, Message: "half"}, {}}
	if !slices.Equal(got.Progress, want) {
		t.Errorf("progress = %v, want %v", got.Progress, want)
	}
}

func TestConfigTellsUnsetFromEmptyAndCarriesLongValues(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	host := prismtest.Host{Config: map[string]string{"empty": "", "long": long}}
	got := host.Call(func(context.Context, []byte) ([]byte, error) {
		if _, ok := prism.Config("absent"); ok {
			return nil, errors.New("absent is set")
		}
		if value, ok := prism.Config("empty"); !ok || value != "" {
			return nil, errors.New("empty is not set")
		}
		if value, _ := prism.Config("long"); value != long {
			return nil, errors.New("long is not whole")
		}
		return nil, nil
	}, nil)
	if got.Err != nil {
		t.Error(got.Err)
	}
}

func TestTheCallIsAsTheHostTellsIt(t *testing.T) {
	deadline := time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.FixedZone("", 3600))
	tell := func(context.Context, []byte) ([]byte, error) {
		deadline, ok := prism.Deadline()
		return fmt.Append(nil, prism.RequestID(), " ", prism.Function(), " ", prism.Plugin(), " ", prism.Version(), " ", ok, " ", deadline.UnixMilli()), nil
	}
	host := prismtest.Host{RequestID: "01J", Function: "score", Plugin: "scores", Version: 12, Deadline: deadline}
	if got, want := string(host.Call(tell, nil).Output), fmt.Sprint("01J score scores 12 true ", deadline.UnixMilli()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(prismtest.Call(tell, nil).Output), fmt.Sprint("   0 false ", time.Time{}.UnixMilli()); got != want {
		t.Errorf("of the zero host, got %q, want %q", got, want)
	}
}

func TestHooksRunInTheirOrderAtTheBeginningOfEachCall(t *testing.T) {
	var ran string
	prism.OnResume(func() { ran += prism.Plugin() })
	prism.OnResume(func() { ran += ";" })
	for _, want := range []string{"scores;", "scores;scores;"} {
		host := prismtest.Host{Plugin: "scores"}
		got := host.Call(func(context.Context, []byte) ([]byte, error) { return []byte(ran), nil }, nil)
		if string(got.Output) != want {
			t.Errorf("hooks wrote %q, want %q", got.Output, want)
		}
	}
}

func TestGeneratorsAreNotAlike(t *testing.T) {
	if a, b := prism.Rand().Uint64(), prism.Rand().Uint64(); a == b {
		t.Errorf("both drew %d", a)
	}
}

func TestParallelCallsDoNotSeeEachOther(t *testing.T) {
	handler := func(_ context.Context, in []byte) ([]byte, error) {
		name, _ := prism.Config("name")
		prism.Log(prism.LevelInfo, name)
		return append(in, name...), nil
	}
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			name := fmt.Sprint(i)
			host := prismtest.Host{Config: map[string]string{"name": name}}
			got := host.Call(handler, []byte("I am "))
			if string(got.Output) != "I am "+name || len(got.Log) != 1 || got.Log[0].Message != name {
				t.Errorf("call %s: output %q, log %v", name, got.Output, got.Log)
			}
		})
	}
	calls.Wait()
}
