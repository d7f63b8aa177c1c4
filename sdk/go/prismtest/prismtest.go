// Package prismtest runs a plugin's handlers natively, in ordinary Go tests: no server, no WebAssembly.
//
//	func TestGreetsInTheConfiguredLanguage(t *testing.T) {
//		host := prismtest.Host{Config: map[string]string{"language": "fr"}}
//		got := host.Call(greet, []byte("Ada"))
//		if got.Err != nil || string(got.Output) != "Bonjour Ada" {
//			t.Errorf("output %q, error %v", got.Output, got.Err)
//		}
//	}
//
// Parallel tests may use it: calls, which natively share one host, wait for each other. A handler that
// itself makes a call through this package waits for ever.
package prismtest

import (
	"errors"
	"strconv"
	"time"

	prism "github.com/marketprism/prismrt/sdk/go"
	"github.com/marketprism/prismrt/sdk/go/internal/host"
	"github.com/marketprism/prismrt/sdk/go/internal/resume"
)

// A Host is the server's side of a call. The zero Host has no config and tells nothing of the call.
type Host struct {
	// Config holds what prism.Config finds; a key that is absent is not set.
	Config map[string]string

	// What prism.RequestID, prism.Function, prism.Plugin, prism.Version and prism.Deadline return.
	RequestID string
	Function  string
	Plugin    string
	Version   int
	Deadline  time.Time // zero: there is none
}

// A Result is what one call did.
type Result struct {
	// Output is what the caller receives: nil when there is none, and always when Err is set.
	Output []byte

	// Err is nil when the call succeeded. Otherwise it has the message the caller would see, and only
	// that: like the caller of a plugin, it does not wrap the handler's error.
	Err error

	// Log holds the lines the handler logged, in order.
	Log []Line

	// Progress holds what the handler told of how far it is, in order.
	Progress []Step
}

// A Step is what one prism.Progress told.
type Step struct {
	Done, Total int64
	Message     string
}

// A Line is one line of the log.
type Line struct {
	Level   prism.Level
	Message string
}

// Call runs h on in, as the zero Host.
func Call(h prism.Handler, in []byte) Result { return Host{}.Call(h, in) }

// Call runs what prism.OnResume registered, then handler on a copy of in. A panic in them is not caught.
func (h Host) Call(handler prism.Handler, in []byte) Result {
	call := host.Call{Input: in, Config: h.Config, About: h.about()}
	host.Serve(&call, func() {
		resume.Run()
		prism.Run(handler)
	})

	var result Result
	if call.Failed {
		result.Err = errors.New(call.Failure)
	} else {
		result.Output = call.Output
	}
	for _, line := range call.Lines {
		result.Log = append(result.Log, Line{prism.Level(line.Level), line.Text})
	}
	for _, step := range call.Steps {
		result.Progress = append(result.Progress, Step(step))
	}
	return result
}

// about is what the server would tell of the call.
func (h Host) about() map[string]string {
	about := map[string]string{}
	for key, value := range map[string]string{"request_id": h.RequestID, "function": h.Function, "plugin": h.Plugin} {
		if value != "" {
			about[key] = value
		}
	}
	if h.Version != 0 {
		about["version"] = strconv.Itoa(h.Version)
	}
	if !h.Deadline.IsZero() {
		about["deadline"] = h.Deadline.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return about
}
