package main

import (
	"context"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
)

// usage is what a window took of the machine.
type usage struct {
	Seconds   float64 `json:"seconds"`               // length of the window
	Server    float64 `json:"server_cpu_seconds"`    // processor time, user and system
	Generator float64 `json:"generator_cpu_seconds"` // the same of this process
	Others    float64 `json:"others_cpu_seconds"`    // of all others on the machine, and what a hypervisor kept from it
}

// serverCores is how many cores the server kept busy.
func (u usage) serverCores() float64 { return u.Server / u.Seconds }

// generatorCores is how many this process did.
func (u usage) generatorCores() float64 { return u.Generator / u.Seconds }

// othersCores is how many all others did. Where that is not close to 0, the machine
// was used for something else, too, and the numbers are of what was left.
func (u usage) othersCores() float64 { return u.Others / u.Seconds }

// String shows the cores that were kept busy.
func (u usage) String() string {
	return fmt.Sprintf("%.2f, %.2f, %.2f", u.serverCores(), u.generatorCores(), u.othersCores())
}

// window opens the window of the tallies after some time, and closes it after some
// more. The error is that of ctx when it ended before.
func window(ctx context.Context, p *served.Process, warm, length time.Duration, tallies ...*tally) (usage, []counts, error) {
	if err := sleep(ctx, warm); err != nil {
		return usage{}, nil, err
	}
	begun, server, own, busy := time.Now(), p.CPU(), served.OwnCPU(), served.Busy()
	for _, t := range tallies {
		t.begin()
	}
	if err := sleep(ctx, length); err != nil {
		return usage{}, nil, err
	}
	var all []counts
	for _, t := range tallies {
		all = append(all, t.end())
	}
	u := usage{Seconds: time.Since(begun).Seconds(), Server: (p.CPU() - server).Seconds(), Generator: (served.OwnCPU() - own).Seconds()}
	u.Others = max(0, (served.Busy()-busy).Seconds()-u.Server-u.Generator)
	return u, all, nil
}

// sleep returns the error of ctx when it ends before.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seconds makes a duration of a flag.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
