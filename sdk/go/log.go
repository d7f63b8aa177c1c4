package prism

import "github.com/marketprism/prismrt/sdk/go/internal/host"

// A Level says how much a log line matters.
type Level int32

// The levels of the host's log, from the least to the most important.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Log writes one line to the call's log: the caller sees it where the call fails, and who watches the task
// that it runs for. The message is UTF-8 and needs no newline. It takes no format: fmt adds some 500 KB to a plugin, which those who
// want it bring along with fmt.Sprintf.
func Log(level Level, message string) {
	host.Log(int32(level), message)
}
