package engine_test

import (
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/marketprism/prismrt/runtime/memory"
)

// oldKernel is set for a process that is to find itself on a kernel before Linux 6.7.
const oldKernel = "PRISMRT_TEST_OLD_KERNEL"

func init() {
	if os.Getenv(oldKernel) != "" {
		if err := withoutScan(); err != nil {
			panic("an old kernel cannot be had: " + err.Error())
		}
	}
}

// withoutScan has the kernel answer the ioctl that names written pages as one does
// that does not know it: seccomp(2).
func withoutScan() error {
	const pagemapScan = 0xC0606610
	// struct seccomp_data: the call's number, and the second of its arguments from 24 on.
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IOCTL, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 24},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: pagemapScan, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOTTY)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

func TestNothingSurvivesWhereTheKernelNamesNoPages(t *testing.T) {
	if memory.Method() != memory.Scan {
		t.Skip("this kernel is one of those; all other tests ran so")
	}
	many(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^(TestNothingSurvivesACallOfAFew|TestNoCallFindsWhatAnotherOneHid|TestScriptsOfOneInterpreterDoNotDisturbEachOther)$")
	cmd.Env = append(os.Environ(), oldKernel+"=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "an old kernel cannot be had") {
		t.Skipf("%.200s", out)
	}
	if err != nil || !strings.Contains(string(out), "copy: ") || !strings.Contains(string(out), "--- PASS: TestNothingSurvivesACallOfAFew") {
		t.Errorf("%v\n%s", err, out)
	}
}
