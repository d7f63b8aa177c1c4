package monitor

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// kernel is what the system tells of the process's memory, in bytes. All is zero where
// it does not tell.
type kernel struct {
	resident  int64 // pages in memory; one that is mapped in two places counts twice
	once      int64 // the same, each page once, and by its share where other processes have it, too
	anonymous int64 // of once, that lie in no file
	files     int64 // of once, that lie in files on a disk
	shared    int64 // of once, that lie in files in memory: images
	dirty     int64 // of resident, written and nobody else's
	swapped   int64

	free, machine int64 // memory that is available, and all there is
}

// readKernel reads /proc/self/smaps_rollup (proc(5)), for which the kernel looks at every
// page: 4 ms for 100 MB.
func readKernel() kernel {
	var k kernel
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return k
	}
	k = parseRollup(b)
	k.free, k.machine = machineMemory()
	return k
}

// machineMemory is how many bytes of memory are available, and how many there are; zeros where
// the system does not tell.
func machineMemory() (free, machine int64) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0
	}
	info, err := fs.Meminfo()
	if err != nil || info.MemAvailableBytes == nil || info.MemTotalBytes == nil {
		return 0, 0
	}
	return int64(*info.MemAvailableBytes), int64(*info.MemTotalBytes)
}

// resident is what a kernel tells of pages in memory, which it keeps count of.
func resident() int64 {
	proc, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0
	}
	return int64(stat.ResidentMemory())
}

// parseRollup reads what package procfs does not: the shares of files and images.
func parseRollup(b []byte) kernel {
	var k kernel
	fields := map[string]*int64{
		"Rss": &k.resident, "Pss": &k.once, "Pss_Anon": &k.anonymous, "Pss_File": &k.files, "Pss_Shmem": &k.shared,
		"Private_Dirty": &k.dirty, "Swap": &k.swapped,
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		to := fields[name]
		if to == nil {
			continue
		}
		if kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64); err == nil {
			*to = kb << 10
		}
	}
	return k
}
