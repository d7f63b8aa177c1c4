//go:build !linux

package monitor

import "net"

// BacklogOf tells who waits to be accepted by a listener: nothing, on this system.
func BacklogOf(net.Listener) Backlog { return Backlog{} }
