package monitor

import "time"

// Instance is the life of one instance, a row of /v1/plugins/{name}/instances.
type Instance struct {
	Version     int       `json:"version"`
	ID          int64     `json:"id"`    // counts up from 1 in each version's pool
	State       string    `json:"state"` // building, ready, lent, probing, ending or ended
	Cause       string    `json:"cause,omitempty"`
	BornAt      time.Time `json:"born_at"`
	BirthMS     float64   `json:"birth_ms"`
	UsedAt      time.Time `json:"used_at,omitzero"` // when it was last given back, good to half a second
	EndedAt     time.Time `json:"ended_at,omitzero"`
	Calls       int64     `json:"calls"`
	GuestFaults int64     `json:"guest_faults"` // calls that failed by the guest's doing or its input
	OurFaults   int64     `json:"our_faults"`   // by ours: some in a row end the instance
	Rewinds     int64     `json:"rewinds"`
	BusyShare   float64   `json:"busy_share"` // of its life, that it was lent
	RunMS       float64   `json:"run_ms"`
	HostMS      float64   `json:"host_ms"`

	// PrivateBytes of its memory are its own, written by calls; all else it shares.
	PrivateBytes int64 `json:"private_bytes"`
}
