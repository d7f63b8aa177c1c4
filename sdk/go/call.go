package prism

import (
	"strconv"
	"time"

	"github.com/marketprism/prismrt/sdk/go/internal/host"
)

// RequestID returns the id of the call in progress, a ULID: its caller has it as Prism-Request-Id, and
// the server's log tells it. It is "" outside a call.
func RequestID() string { return about("request_id") }

// Function returns the name of the handler that was called, that of the default one if the call named
// none. It is "" outside a call.
func Function() string { return about("function") }

// Plugin returns the name the plugin was pushed under.
func Plugin() string { return about("plugin") }

// Version returns the number of the plugin's version that runs, from 1 on, 0 where there is none: in a
// test.
func Version() int {
	n, _ := strconv.Atoi(about("version"))
	return n
}

// Deadline returns when the server will stop the call in progress, to the millisecond, which it does
// without warning. It reports false when there is no deadline, and outside a call.
func Deadline() (time.Time, bool) {
	deadline, err := time.Parse(time.RFC3339, about("deadline"))
	return deadline, err == nil
}

func about(key string) string {
	value, _ := lookUp(host.CallGet, key)
	return value
}
