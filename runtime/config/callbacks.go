package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Callbacks are calls to the URL of a task that has ended.
type Callbacks struct {
	// Hosts are those that may be called: a name, *.example.com for all names under one, or an
	// address, each with a port or for 80 and 443 [none: tasks with a callback are refused].
	Hosts []string `toml:"hosts"`

	// AllowPrivate lets names lead to addresses that are not public [false]. An address that is
	// listed is called, whatever it is.
	AllowPrivate bool `toml:"allow_private"`

	// SecretFile has what messages are signed with, a secret on a line; it is made where there
	// is none ["": callback.secret in the data folder].
	SecretFile string `toml:"secret_file"`

	Timeout task.Duration `toml:"timeout"` // of one call [10s]
	Within  task.Duration `toml:"within"`  // how long after the end of a task it is tried [24h]
}

// Secrets is the path of the secret file.
func (c *Config) Secrets() string {
	return cmp.Or(c.Callbacks.SecretFile, filepath.Join(c.Server.Data, "callback.secret"))
}

func (c *Callbacks) check() (wrong []error) {
	if t := time.Duration(c.Timeout); t < 100*time.Millisecond || t > time.Minute {
		wrong = append(wrong, fmt.Errorf("callbacks.timeout is %v; it must be from 100ms to 1m", t))
	}
	if w := time.Duration(c.Within); w < time.Minute || w > 7*24*time.Hour {
		wrong = append(wrong, fmt.Errorf("callbacks.within is %v; it must be from 1m to 168h", w))
	}
	return wrong
}
