package prism

import (
	"context"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/sdk/go/internal/host"
)

// withoutHandler gives the test a package in which Handle was not called yet.
func withoutHandler(t *testing.T) {
	registered := handler
	handler = nil
	t.Cleanup(func() { handler = registered })
}

func echo(_ context.Context, in []byte) ([]byte, error) { return in, nil }

func TestDefaultExportRunsTheRegisteredHandler(t *testing.T) {
	withoutHandler(t)
	Handle(echo)
	call := host.Call{Input: []byte("hello")}
	host.Serve(&call, func() {
		if status := runDefault(); status != 0 {
			t.Errorf("status = %d, want 0", status)
		}
	})
	if string(call.Output) != "hello" || call.Failed {
		t.Errorf("output %q, failed %v", call.Output, call.Failed)
	}
}

func TestDefaultExportWithoutHandlerSaysWhatToDo(t *testing.T) {
	withoutHandler(t)
	var call host.Call
	host.Serve(&call, func() {
		if status := runDefault(); status == 0 {
			t.Error("status = 0 without a handler")
		}
	})
	if !strings.Contains(call.Failure, "call prism.Handle from an init function") {
		t.Errorf("failure = %q", call.Failure)
	}
}

func TestHandlePanicsOnMisuse(t *testing.T) {
	for name, misuse := range map[string]func(){
		"nil handler": func() { Handle(nil) },
		"twice":       func() { Handle(echo); Handle(echo) },
	} {
		t.Run(name, func(t *testing.T) {
			withoutHandler(t)
			defer func() {
				if message, _ := recover().(string); !strings.HasPrefix(message, "prism: Handle was called") {
					t.Errorf("panic = %q", message)
				}
			}()
			misuse()
		})
	}
}

func TestOnResumePanicsWithoutAHook(t *testing.T) {
	defer func() {
		if message, _ := recover().(string); !strings.HasPrefix(message, "prism: OnResume was called") {
			t.Errorf("panic = %q", message)
		}
	}()
	OnResume(nil)
}

func TestOutsideACallNothingIsKnownOfIt(t *testing.T) {
	deadline, ok := Deadline()
	if RequestID() != "" || Function() != "" || Plugin() != "" || Version() != 0 || ok {
		t.Errorf("%q %q %q %d %v", RequestID(), Function(), Plugin(), Version(), deadline)
	}
}

func TestRunOutsideACallFails(t *testing.T) {
	ran := false
	status := Run(func(context.Context, []byte) ([]byte, error) { ran = true; return nil, nil })
	if status == 0 || ran {
		t.Errorf("status %d, handler ran: %v", status, ran)
	}
}
