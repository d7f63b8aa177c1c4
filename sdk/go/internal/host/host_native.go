//go:build !wasip1

package host

import (
	"crypto/rand"
	"sync"
)

var (
	// serving is held for the length of a call: the functions below name no call, so there is only ever
	// one.
	serving sync.Mutex

	// mu guards call and what it points to, since a handler may log from several goroutines.
	mu   sync.Mutex
	call *Call // nil between calls
)

// Serve makes c the call in progress while run runs. Calls served at the same time wait for each other.
func Serve(c *Call, run func()) {
	serving.Lock()
	defer serving.Unlock()
	set(c)
	defer set(nil)
	run()
}

func set(c *Call) {
	mu.Lock()
	defer mu.Unlock()
	call = c
}

// InputLen returns the length of the input, -1 outside a call.
func InputLen() int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil {
		return -1
	}
	return len(call.Input)
}

// InputRead copies the input from off on into p, and returns how many bytes, -1 when refused.
func InputRead(p []byte, off int) int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil || off > len(call.Input) {
		return -1
	}
	return copy(p, call.Input[off:])
}

// OutputWrite adds p to the output.
func OutputWrite(p []byte) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Output = append(call.Output, p...)
	}
}

// Fail makes the call fail with a message.
func Fail(message string) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Failed, call.Failure = true, message
	}
}

// Log writes a line to the log.
func Log(level int32, message string) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Lines = append(call.Lines, Line{level, message})
	}
}

// Progress notes how far the guest is.
func Progress(done, total int64, message string) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Steps = append(call.Steps, Step{max(0, done), max(0, total), message})
	}
}

// ConfigGet copies as much of a value as fits, and returns its whole length, -1 when it is not set.
func ConfigGet(key string, value []byte) int {
	return get(func(c *Call) map[string]string { return c.Config }, key, value)
}

// CallGet is ConfigGet for what the host tells of the call.
func CallGet(key string, value []byte) int {
	return get(func(c *Call) map[string]string { return c.About }, key, value)
}

func get(of func(*Call) map[string]string, key string, value []byte) int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil {
		return -1
	}
	set, ok := of(call)[key]
	if !ok {
		return -1
	}
	copy(value, set)
	return len(set)
}

// Random fills p with random bytes.
func Random(p []byte) {
	_, _ = rand.Read(p) // never fails: it would crash the process
}
