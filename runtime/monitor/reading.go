package monitor

import "time"

const (
	// sampleEvery is how often trends are told of their gauges.
	sampleEvery = 5 * time.Second

	// lately is what verdicts are about, and what trends of layers are over.
	lately = time.Minute

	// growthEvery and growthSamples are those of the trends that leaks are looked for in:
	// five minutes.
	growthEvery   = 10 * time.Second
	growthSamples = 31
)

// reading is what was counted up to a moment.
type reading struct {
	at  time.Time
	now golang

	opened, requests  int64 // inbound
	gets, misses      int64 // of memory kept for reuse
	births, calls     int64 // of instances, and on them
	begun, refused    int64 // calls, by the scheduler
	busy, passed      time.Duration
	databaseWait      time.Duration
	disk              Disk
	commit, blobWrite time.Duration // the slowest since the reading before
}

// added is what was added from the first of the moments to now, and how many seconds that
// was. Without moments it is what there was since the process began, in no time.
func added(moments []*moment, now *reading) (past reading, seconds float64) {
	var first reading
	if len(moments) > 0 {
		first = moments[0].reading
	}
	past = reading{
		opened: now.opened - first.opened, requests: now.requests - first.requests,
		gets: now.gets - first.gets, misses: now.misses - first.misses,
		// Versions that were unloaded meanwhile are missing now.
		births: max(0, now.births-first.births), calls: max(0, now.calls-first.calls),
		begun: now.begun - first.begun, refused: now.refused - first.refused,
		busy: now.busy - first.busy, passed: now.passed - first.passed, databaseWait: now.databaseWait - first.databaseWait,
		commit: now.commit, blobWrite: now.blobWrite,
	}
	past.now = now.now
	past.now.allocated -= first.now.allocated
	past.now.gcCPU -= first.now.gcCPU
	past.now.assistCPU -= first.now.assistCPU
	past.now.idleCPU -= first.now.idleCPU
	past.now.allCPU -= first.now.allCPU
	past.now.mutexWait -= first.now.mutexWait
	past.now.pauses = since(now.now.pauses, first.now.pauses)
	past.now.latencies = since(now.now.latencies, first.now.latencies)
	for n, one := range moments {
		if n > 0 { // what the first tells of lies before it
			past.commit = max(past.commit, one.commit)
			past.blobWrite = max(past.blobWrite, one.blobWrite)
		}
	}
	if first.at.IsZero() {
		return past, 0
	}
	return past, now.at.Sub(first.at).Seconds()
}

// gcShare is which part of the CPU time that was used went to the collector.
func (r *reading) gcShare() float64 {
	if used := r.now.allCPU - r.now.idleCPU; used > 0 {
		return r.now.gcCPU / used
	}
	return 0
}

// share is a part of what may be nothing.
func share(of, all int64) float64 {
	if all <= 0 {
		return 0
	}
	return float64(of) / float64(all)
}

// rate is how much came in a second; 0 of no time.
func rate(of float64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return of / seconds
}
