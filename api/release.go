package api

import (
	"net/http"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

// release says where a plugin's calls go besides to the live version, and how that
// came about.
type release struct {
	Previous   int       `json:"previous,omitempty"` // the version that may take over
	Canary     *canary   `json:"canary,omitempty"`
	Takeover   *takeover `json:"takeover,omitempty"`    // why the live version is live, where it took over by itself
	LastCanary *outcome  `json:"last_canary,omitempty"` // how the last canary release ended, where it did by itself
}

// canary is a version that gets a share of the calls.
type canary struct {
	Version int       `json:"version"`
	Share   float64   `json:"share"`
	Judge   bool      `json:"judge"`
	Since   time.Time `json:"since"`

	// Calls of the canary and of the live version since then, or since the server's
	// start. Nil in a list, and while it is being loaded.
	Own  *sample `json:"canary_calls,omitempty"`
	Live *sample `json:"live_calls,omitempty"`
}

// sample is what is compared of a version's calls.
type sample struct {
	Calls    int64   `json:"calls"`
	Faults   int64   `json:"faults"` // the version's own
	RunP50MS float64 `json:"run_p50_ms"`
	RunP90MS float64 `json:"run_p90_ms"`
	FuelP50  int64   `json:"fuel_p50"` // instructions
	FuelP90  int64   `json:"fuel_p90"`
}

type takeover struct {
	From   int       `json:"from"`
	To     int       `json:"to"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

type outcome struct {
	Version int       `json:"version"`
	Live    bool      `json:"live"` // it became the live version; false: it was rolled back
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// check is what a manifest says of its version's health.
type check struct {
	Input    *string `json:"input,omitempty"` // of the canary call; absent: none is made
	Expect   *string `json:"expect,omitempty"`
	EveryMS  float64 `json:"every_ms,omitempty"`
	Failover bool    `json:"failover"`
}

func checkOf(h task.Health) *check {
	if h.Input == nil && !h.Failover {
		return nil
	}
	return &check{Input: text(h.Input), Expect: text(h.Expect), EveryMS: float64(time.Duration(h.Every).Microseconds()) / 1000, Failover: h.Failover}
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

func canaryOf(p plugins.Plugin) *canary {
	if p.Canary == nil {
		return nil
	}
	return &canary{Version: p.Canary.Version, Share: p.Canary.Share, Judge: p.Canary.Judge, Since: p.Canary.Since}
}

func (s *server) releaseOf(p plugins.Plugin) release {
	r := release{Previous: p.Previous, Canary: canaryOf(p)}
	if r.Canary != nil {
		if live, own, ok := s.Invoker.Samples(p.Namespace, p.Name); ok {
			r.Canary.Live, r.Canary.Own = sampleOf(live), sampleOf(own)
		}
	}
	if t := p.Takeover; t != nil {
		r.Takeover = &takeover{t.From, t.To, t.At, t.Reason}
	}
	if o := p.LastCanary; o != nil {
		r.LastCanary = &outcome{o.Version, o.Live, o.At, o.Reason}
	}
	return r
}

func sampleOf(s *health.Sample) *sample {
	return &sample{
		Calls: s.Calls, Faults: s.Faults, RunP50MS: s.Run.Quantile(0.5) / 1e6, RunP90MS: s.Run.Quantile(0.9) / 1e6,
		FuelP50: int64(s.Fuel.Quantile(0.5)), FuelP90: int64(s.Fuel.Quantile(0.9)),
	}
}

// setLive makes a version live, or with a share the canary of the live one.
func (s *server) setLive(w http.ResponseWriter, r *request) error {
	var body struct {
		Version int      `json:"version"`
		Share   *float64 `json:"share"`
		Judge   bool     `json:"judge"`
	}
	if err := s.readJSON(w, r, &body); err != nil {
		return err
	}
	switch {
	case body.Version < 1:
		return task.Faultf(task.KindInvalid, "the body must name a version, such as {\"version\": 2}")
	case body.Judge && body.Share == nil:
		return task.Faultf(task.KindInvalid, "judge compares versions that share calls; give a share, such as 0.1")
	}
	ref := task.Ref{Namespace: namespace, Plugin: r.param("name"), Version: body.Version}
	p, err := s.move(r, ref, body.Share, body.Judge)
	if err != nil {
		return err
	}
	return s.writePlugin(w, p)
}

func (s *server) move(r *request, ref task.Ref, share *float64, judge bool) (plugins.Plugin, error) {
	if share == nil {
		return s.Catalogue.SetLive(r.Context(), ref)
	}
	return s.Catalogue.SetCanary(r.Context(), ref, *share, judge)
}
