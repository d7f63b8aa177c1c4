package served

import (
	"os"
	goruntime "runtime"
	"time"

	"github.com/prometheus/procfs"
)

// CPU returns the processor time that the process has used, that of the kernel for
// it included; 0 where the system does not tell. It is exact to about 10 ms:
// proc(5), "/proc/pid/stat".
func (p *Process) CPU() time.Duration { return cpu(p.PID) }

// OwnCPU is CPU of this process.
func OwnCPU() time.Duration { return cpu(os.Getpid()) }

// Busy returns the processor time that was used on the whole machine, and what a
// hypervisor kept from it; 0 where the system does not tell.
func Busy() time.Duration {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	stat, err := fs.Stat()
	if err != nil {
		return 0
	}
	all := stat.CPUTotal
	return time.Duration((all.User + all.Nice + all.System + all.IRQ + all.SoftIRQ + all.Steal) * float64(time.Second))
}

func cpu(pid int) time.Duration {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0
	}
	return time.Duration(stat.CPUTime() * float64(time.Second))
}

// MorePs gives Go as many Ps as "prismrt serve" gives itself, and returns how many
// guests run at once there.
func MorePs() (slots int) {
	slots = goruntime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		goruntime.GOMAXPROCS(2 * slots)
	}
	return slots
}
