//go:build unix

package project

import (
	"os/exec"
	"syscall"
)

// inGroup has a command and what it starts interrupted together: make would leave its
// compiler behind.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}

// killGroup ends those of a command's group that an interrupt did not.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // none are left, mostly
	}
}
