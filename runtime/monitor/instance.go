package monitor

import "time"

// Instance is the life of one instance, a row of /v1/plugins/{name}/instances.
type Instance struct {
	Version     int       `json:"version"`
	ID          int64     `json:"id"`              // counts up from 1 in each version's pool
	State       string    `json:"state"`           // building, ready, lent, probing, ending or ended
	BornFor     string    `json:"born_for"`        // warm-up, demand, spare, renewal or replacement
	Cause       string    `json:"cause,omitempty"` // of its end: idle, surplus, age, spoilt, faulty, probe or closed
	BornAt      time.Time `json:"born_at"`
	BirthMS     float64   `json:"birth_ms"`
	UsedAt      time.Time `json:"used_at,omitzero"` // when it was last given back, good to half a second
	EndedAt     time.Time `json:"ended_at,omitzero"`
	Calls       int64     `json:"calls"`
	GuestFaults int64     `json:"guest_faults"` // calls that failed by the guest's doing or its input
	OurFaults   int64     `json:"our_faults"`   // by ours: some in a row end the instance
	Rewinds     int64     `json:"rewinds"`
	BusyShare   float64   `json:"busy_share"` // of its life, that it was lent
	IdleShare   float64   `json:"idle_share"` // that it was neither lent nor built
	RunMS       float64   `json:"run_ms"`
	HostMS      float64   `json:"host_ms"`
	RewindMS    float64   `json:"rewind_ms"` // of calls that shared a loan; others are rewound after it

	// DirtyPages are those of the system's that the last rewind put back, and DirtyPagesTotal all of them.
	DirtyPages      int64 `json:"dirty_pages"`
	DirtyPagesTotal int64 `json:"dirty_pages_total"`

	// MemoryBytes is how long its memory is as a call begins; 0 where it serves one call only.
	MemoryBytes int64 `json:"memory_bytes"`

	// PrivateBytes of its memory are its own, written by calls; all else it shares.
	PrivateBytes int64 `json:"private_bytes"`
}
