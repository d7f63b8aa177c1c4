package profile

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/pprof/profile"
)

// WritePprof writes the profile as pprof reads it, compressed: fuel in instructions,
// samples, and time waited on the host. With a base, which may be nil, it writes the
// difference: the base is scaled to the profile's fuel (and time) first and counts
// below zero, so that what is shown is how the parts have shifted, and all of it
// adds up to nothing.
func (p *Profile) WritePprof(w io.Writer, base *Profile) error {
	out := p.pprof()
	if base != nil {
		under := base.pprof()
		if err := under.ScaleN([]float64{
			-ratio(p.Total.Fuel, base.Total.Fuel), -ratio(p.Total.Samples, base.Total.Samples), -ratio(int64(p.Total.Waited), int64(base.Total.Waited)),
		}); err != nil {
			return fmt.Errorf("scale a profile: %w", err)
		}
		period, from := out.Period, out.TimeNanos
		out.Comments = append(out.Comments, fmt.Sprintf("less version %d from %s to %s, scaled to as much fuel", base.Ref.Version, clock(base.From), clock(base.To)))
		under.Comments = nil
		var err error
		if out, err = profile.Merge([]*profile.Profile{out, under}); err != nil {
			return fmt.Errorf("subtract a profile: %w", err)
		}
		out.Period, out.TimeNanos, out.DurationNanos = period, from, p.To.Sub(p.From).Nanoseconds()
	}
	if err := out.CheckValid(); err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	return out.Write(w)
}

// ratio is what a base is scaled by; one without anything stays as it is.
func ratio(value, base int64) float64 {
	if base == 0 {
		return 1
	}
	return float64(value) / float64(base)
}

// pprof builds the message (proto/profile.proto of github.com/google/pprof).
func (p *Profile) pprof() *profile.Profile {
	// The module is one mapping, and functions of the host another, as pprof expects.
	guest := &profile.Mapping{ID: 1, Start: 1, Limit: 1 << 32, File: fmt.Sprintf("%s version %d", p.Ref.Plugin, p.Ref.Version), BuildID: strings.TrimPrefix(string(p.Digest), "sha256:"), HasFunctions: true}
	host := &profile.Mapping{ID: 2, Start: 1 << 32, Limit: 1 << 33, File: "prismrt", HasFunctions: true}
	out := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "fuel", Unit: "instructions"}, {Type: "samples", Unit: "count"}, {Type: "host", Unit: "nanoseconds"}},
		DefaultSampleType: "fuel",
		PeriodType:        &profile.ValueType{Type: "fuel", Unit: "instructions"},
		TimeNanos:         p.From.UnixNano(), DurationNanos: p.To.Sub(p.From).Nanoseconds(),
		Mapping:  []*profile.Mapping{guest, host},
		Comments: []string{fmt.Sprintf("%s version %d from %s to %s", p.Ref.Plugin, p.Ref.Version, clock(p.From), clock(p.To)), Note},
	}
	if p.Total.Samples > 0 {
		out.Period = p.Total.Fuel / p.Total.Samples
	}
	type of struct{ symbol, file string }
	functions := make(map[of]*profile.Function)
	locations := make(map[Frame]*profile.Location)
	for i := range p.Stacks {
		s := &p.Stacks[i]
		sample := &profile.Sample{Value: []int64{s.Fuel, s.Samples, int64(s.Waited)}}
		for _, f := range s.Frames {
			at := locations[f]
			if at == nil {
				key := of{f.Symbol, f.File}
				function := functions[key]
				if function == nil {
					function = &profile.Function{ID: uint64(len(out.Function) + 1), Name: f.Function, SystemName: f.Symbol, Filename: f.File}
					functions[key] = function
					out.Function = append(out.Function, function)
				}
				at = &profile.Location{ID: uint64(len(out.Location) + 1), Mapping: guest, Line: []profile.Line{{Function: function, Line: int64(f.Line)}}}
				at.Address = at.ID // made up: where code lies in memory says nothing to anybody
				if f.Host {
					at.Mapping = host
					at.Address += host.Start
				}
				guest.HasFilenames, guest.HasLineNumbers = guest.HasFilenames || f.File != "", guest.HasLineNumbers || f.Line > 0
				locations[f] = at
				out.Location = append(out.Location, at)
			}
			sample.Location = append(sample.Location, at)
		}
		out.Sample = append(out.Sample, sample)
	}
	return out
}
