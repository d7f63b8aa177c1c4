package config

import (
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Extism is about Extism plug-ins.
type Extism struct {
	// Sessions is how many callers' sessions have vars at once, and SessionMemory what these may
	// take in all; beyond either, the one that was used longest ago ends. One also ends when it
	// was not used for SessionIdle [10,000, 64MiB, 15m].
	Sessions      int           `toml:"sessions"`
	SessionMemory task.Bytes    `toml:"session_memory"`
	SessionIdle   task.Duration `toml:"session_idle"`

	// AllowPrivate lets plug-ins' requests go to addresses that are not public, where their
	// manifests say so [false].
	AllowPrivate bool `toml:"allow_private"`
}

func defaultExtism() Extism {
	return Extism{Sessions: 10_000, SessionMemory: 64 << 20, SessionIdle: task.Duration(15 * time.Minute)}
}

func (e *Extism) check() (wrong []error) {
	if e.Sessions < 1 || e.Sessions > 10_000_000 {
		wrong = append(wrong, fmt.Errorf("extism.sessions is %d; it must be from 1 to 10000000", e.Sessions))
	}
	if e.SessionMemory < 1<<20 || e.SessionMemory > 1<<40 {
		wrong = append(wrong, fmt.Errorf("extism.session_memory is %v; it must be from 1MiB to 1TiB", e.SessionMemory))
	}
	if d := time.Duration(e.SessionIdle); d < time.Second || d > 7*24*time.Hour {
		wrong = append(wrong, fmt.Errorf("extism.session_idle is %v; it must be from 1s to 168h", d))
	}
	return wrong
}
