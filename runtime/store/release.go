package store

import "time"

// Release says where the calls of a plugin go, and how that came about.
type Release struct {
	Live     int `json:"-"`                  // the version that answers; 0: none
	Previous int `json:"previous,omitempty"` // the one that was live before it and may take over; 0: none

	Canary     *Canary    `json:"canary,omitempty"`      // gets a share of the calls; nil: none does
	Takeover   *Takeover  `json:"takeover,omitempty"`    // why Live is live, where it took over by itself
	LastCanary *CanaryEnd `json:"last_canary,omitempty"` // of the last canary release that ended by itself
}

// Canary is a version that gets a share of the calls.
type Canary struct {
	Version int       `json:"version"`
	Share   float64   `json:"share"` // over 0 and below 1
	Judge   bool      `json:"judge"` // it is compared with the live version, and the weaker goes
	Since   time.Time `json:"since"`
}

// Takeover tells that the version that was live before took over by itself.
type Takeover struct {
	From   int       `json:"from"`
	To     int       `json:"to"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// CanaryEnd is how a canary release ended by itself.
type CanaryEnd struct {
	Version int       `json:"version"` // the canary
	Live    bool      `json:"live"`    // it became the live version; false: it was rolled back
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}
