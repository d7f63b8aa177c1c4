package callback

import (
	"errors"

	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/task"
)

// Check says why a URL cannot be called back, in a fault of kind forbidden or invalid.
func Check(hosts *outbound.Hosts, callback string) error {
	if hosts.None() {
		return task.Faultf(task.KindForbidden, "callbacks are off; leave callback out, or ask the operator to allow the host in [callbacks] of runtime.toml")
	}
	err := hosts.Check(callback)
	refused, ok := errors.AsType[*outbound.Error](err)
	switch {
	case !ok:
		return err
	case refused.Malformed:
		return task.Faultf(task.KindInvalid, "the callback %w", refused)
	}
	return task.Faultf(task.KindForbidden, "callbacks to %s are not allowed; ask the operator to list it in [callbacks] hosts of runtime.toml", refused.Target)
}
