package task

// Policy is how the durable tasks of a plugin are treated, where a task was not submitted
// with other terms.
type Policy struct {
	Retries    int      // attempts after the first, of faults that another time may help with
	Backoff    Duration // before the second attempt, doubled for each further one
	MaxBackoff Duration // and no more than this

	// Concurrency is how many attempts run at the same time, and Rate how many begin in a
	// second. Zero: no bound but what the scheduler and the pool have.
	Concurrency int
	Rate        float64

	Keep     Duration // how long a task is kept that succeeded or was canceled
	KeepDead Duration // how long a dead one is
}
