//go:build unix

package served

import "syscall"

// ownGroup keeps a Ctrl-C at the terminal from the server. It would count it as
// its first signal, and end at once at the second, the SIGTERM of stop.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
