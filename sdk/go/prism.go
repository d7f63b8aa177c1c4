// Package prism is what a prismrt plugin written in Go imports.
//
// A plugin registers a handler; the server calls it with each input and sends back what it returns:
//
//	package main
//
//	import (
//		"bytes"
//		"context"
//
//		prism "github.com/marketprism/prismrt/sdk/go"
//	)
//
//	func init() {
//		prism.Handle(func(_ context.Context, in []byte) ([]byte, error) {
//			return bytes.ToUpper(in), nil
//		})
//	}
//
//	func main() {}
//
// It is built as a reactor, a module that is initialised once and then called many times:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o upper.wasm .
//
// # What lives how long
//
// Every call starts from the memory that the package's init functions left behind, and nothing of a
// call survives it: what a handler stores in a global is gone with the next call. The server runs the
// init functions once for a version and keeps that memory, so what they prepare (a table, a compiled
// pattern) is not paid for by a call.
//
// What they drew at random is the same in every call; OnResume makes it anew. The functions of math/rand
// and math/rand/v2 are seeded for each call by this package, and crypto/rand asks the host each time.
//
// # Panics
//
// A panic ends the call as a fault of the guest, with the panic and its stack in the plugin's log.
// The calls after it are not affected.
package prism

import (
	"context"

	"github.com/marketprism/prismrt/sdk/go/internal/host"
)

// A Handler turns the input of one call into its output. The input belongs to the handler, which may
// change it or return a part of it. The text of an error reaches the caller as the message of a fault
// of kind guest; the output is then dropped.
//
// The context is never cancelled and carries neither a deadline nor values: when a call's deadline
// passes or its caller goes away, the server stops the guest where it stands (Deadline tells when). It is there to be handed
// to code that asks for one.
type Handler func(ctx context.Context, in []byte) ([]byte, error)

// handler serves the export named handle.
var handler Handler

// Handle registers the default handler, the one that runs when a call names no function. It is called
// once, from an init function or while package variables are initialised; main has not run and will
// not run in a reactor. A nil handler and a second call are mistakes in the plugin, and panic.
func Handle(h Handler) {
	if h == nil {
		panic("prism: Handle was called without a handler")
	}
	if handler != nil {
		panic("prism: Handle was called twice; export a second function with //go:wasmexport and prism.Run")
	}
	handler = h
}

// Run runs h on the input of the call in progress and returns what an export must return: 0 when h
// succeeded and 1 when the call failed. It is for handlers beside the default one, each an export of
// its own:
//
//	//go:wasmexport score
//	func score() int32 { return prism.Run(scoreHandler) }
func Run(h Handler) int32 {
	if h == nil {
		return fail("prism: Run was called without a handler")
	}
	in, ok := input()
	if !ok {
		return fail("prism: the host refused to hand over the input; Run works only during a call")
	}
	out, err := h(context.Background(), in)
	if err != nil {
		return fail(err.Error())
	}
	if len(out) > 0 {
		host.OutputWrite(out)
	}
	return 0
}

// runDefault is the export named handle.
func runDefault() int32 {
	if handler == nil {
		return fail("prism: no default handler is registered; call prism.Handle from an init function")
	}
	return Run(handler)
}

func fail(message string) int32 {
	host.Fail(message)
	return 1
}

// input reads the whole input. It reports false when the host refused.
func input() ([]byte, bool) {
	size := host.InputLen()
	if size < 0 {
		return nil, false
	}
	in := make([]byte, size)
	for read := 0; read < size; {
		n := host.InputRead(in[read:], read)
		if n <= 0 {
			return nil, false
		}
		read += n
	}
	return in, true
}
