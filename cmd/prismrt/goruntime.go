package main

import (
	"cmp"
	"log/slog"
	"math"
	"os"
	goruntime "runtime"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/task"
)

// cores is what there is to compute on: as many guests run at once that have run for a
// while.
var cores = goruntime.GOMAXPROCS(0)

const (
	// gcPercent lets the heap grow to five times what lives before it is collected. What
	// lives is some 10 MB, however many calls there are; at Go's 100 the collector took a
	// fifth of a small call's time (BENCHMARKS.md, "What HTTP costs").
	gcPercent = 400

	// heapShare of the machine's memory, or the container's, is where the collector
	// begins to work harder. Guests' memory comes on top.
	heapShare = 0.5
)

// setGo sets what the configuration says of Go's own runtime, derives what it leaves
// open, and logs what is in force. GOMAXPROCS, GOGC and GOMEMLIMIT in the environment
// override both.
func setGo(c config.Go, log *slog.Logger) {
	if os.Getenv("GOMAXPROCS") == "" {
		goruntime.GOMAXPROCS(cmp.Or(c.MaxProcs, 2*cores))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(cmp.Or(c.GCPercent, gcPercent))
	}
	switch {
	case os.Getenv("GOMEMLIMIT") != "":
	case c.MemoryLimit > 0:
		debug.SetMemoryLimit(int64(c.MemoryLimit))
	default:
		_, err := memlimit.Set(memlimit.WithRatio(heapShare), memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
		if err != nil {
			log.Warn("the memory of this machine is not known, and the heap unlimited", slog.Any("error", err))
		}
	}
	limit := "none"
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		limit = task.Bytes(n).String()
	}
	percent := debug.SetGCPercent(100) // the only way to ask
	debug.SetGCPercent(percent)
	log.Info("go runtime", slog.Int("cores", cores), slog.Int("max_procs", goruntime.GOMAXPROCS(0)), slog.Int("gc_percent", percent), slog.String("memory_limit", limit))
}
