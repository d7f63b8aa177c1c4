//go:build !wasip1

package host

import "sync"

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

func InputLen() int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil {
		return -1
	}
	return len(call.Input)
}

func InputRead(p []byte, off int) int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil || off > len(call.Input) {
		return -1
	}
	return copy(p, call.Input[off:])
}

func OutputWrite(p []byte) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Output = append(call.Output, p...)
	}
}

func Fail(message string) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Failed, call.Failure = true, message
	}
}

func Log(level int32, message string) {
	mu.Lock()
	defer mu.Unlock()
	if call != nil {
		call.Lines = append(call.Lines, Line{level, message})
	}
}

func ConfigGet(key string, value []byte) int {
	mu.Lock()
	defer mu.Unlock()
	if call == nil {
		return -1
	}
	granted, ok := call.Config[key]
	if !ok {
		return -1
	}
	copy(value, granted)
	return len(granted)
}
