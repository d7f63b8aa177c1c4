package task

// Health is how a version is known to be well, and what follows where it is not.
type Health struct {
	// Input is what the canary call is made with: before calls reach the version, and
	// from then on at intervals. Nil: there is none, and an instance is well when its
	// image comes up.
	Input []byte

	// Expect is what the canary call must answer: the same value where both are JSON,
	// and otherwise the same bytes, but for white space at the end. Nil: any answer.
	Expect []byte

	// Every is how long there is between canary calls. Zero without Input.
	Every Duration

	// Failover lets the version that was live before take over by itself.
	Failover bool
}
