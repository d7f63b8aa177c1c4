package monitor

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// BacklogOf tells who waits to be accepted by a listener.
func BacklogOf(l net.Listener) (b Backlog) {
	c, ok := l.(syscall.Conn)
	if !ok {
		return b
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return b
	}
	_ = raw.Control(func(fd uintptr) {
		// Of a listening socket, these fields are sk_ack_backlog and sk_max_ack_backlog
		// (Linux, tcp_get_info).
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			b = Backlog{Waiting: int64(info.Unacked), Limit: int64(info.Sacked)}
		}
	})
	return b
}
