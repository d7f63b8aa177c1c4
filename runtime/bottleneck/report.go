package bottleneck

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
)

// Report is what was found in a window.
type Report struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Calls    int64     `json:"calls"`
	Findings []Finding `json:"findings"` // what cost most first; none is good news
}

// NewReport finds the bottlenecks of a window.
func NewReport(w *monitor.Window, hot Hot) Report {
	r := Report{From: w.From.UTC(), To: w.To.UTC(), Findings: Find(w, hot)}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	for n := range w.Versions {
		r.Calls += w.Versions[n].Calls
	}
	return r
}

// WriteTo writes the report for people.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	over := fmt.Sprintf("%d %s in %s", r.Calls, plural(r.Calls, "call"), short(r.To.Sub(r.From)))
	if len(r.Findings) == 0 {
		fmt.Fprintf(&b, "No bottlenecks: %s.\n", over)
	} else {
		n := int64(len(r.Findings))
		fmt.Fprintf(&b, "%d %s, what costs most first: %s.\n", n, plural(n, "bottleneck"), over)
	}
	for n := range r.Findings {
		r.Findings[n].write(&b, n+1)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func plural(n int64, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func (f *Finding) write(b *strings.Builder, number int) {
	fmt.Fprintf(b, "\n%d. %s", number, strings.ReplaceAll(f.Rule, "_", " "))
	if f.Ref.Plugin != "" {
		fmt.Fprintf(b, ": %s", f.Ref.Plugin)
	}
	if f.Ref.Version != 0 {
		fmt.Fprintf(b, ", version %d", f.Ref.Version)
	}
	if f.Lost > 0 {
		fmt.Fprintf(b, " (%s lost, %s of all calls' time)", short(f.Lost), percent(f.Share))
	}
	fmt.Fprintf(b, "\n   %s\n", f.Cause)
	if f.P99 > 0 {
		fmt.Fprintf(b, "   %-9s p50 %s, p99 %s, %d %s\n", f.Phase, short(f.P50), short(f.P99), f.Calls, plural(f.Calls, "call"))
	}
	if len(f.Functions) > 0 {
		var names []string
		for _, one := range f.Functions {
			names = append(names, fmt.Sprintf("%s %s", percent(one.FlatShare), one.Name))
		}
		fmt.Fprintf(b, "   %-9s %s\n", "in", strings.Join(names, ", "))
	}
	var figures []string
	for _, e := range f.Evidence {
		figures = append(figures, e.String())
	}
	fmt.Fprintf(b, "   %-9s %s\n", "seen", strings.Join(figures, "; "))
	fmt.Fprintf(b, "   %-9s %s\n", "do", f.Advice.Text)
	if f.Advice.Setting != "" {
		fmt.Fprintf(b, "   %-9s %s", "setting", f.Advice.Setting)
		if f.Advice.Value != "" {
			fmt.Fprintf(b, " = %s", f.Advice.Value)
		}
		b.WriteString("\n")
	}
	if f.Advice.GainMS > 0 {
		fmt.Fprintf(b, "   %-9s about %s a call\n", "gain", short(time.Duration(f.Advice.GainMS*float64(time.Millisecond))))
	}
}

// String is the figure for people.
func (e Evidence) String() string {
	switch e.Unit {
	case "ms":
		return fmt.Sprintf("%s %s", e.Name, short(time.Duration(e.Value*float64(time.Millisecond))))
	case "bytes":
		return fmt.Sprintf("%s %s", e.Name, bytes(int64(e.Value)))
	case "bytes/s":
		return fmt.Sprintf("%s %s/s", e.Name, bytes(int64(e.Value)))
	case "part", "part of all":
		return fmt.Sprintf("%s %s", e.Name, percent(e.Value))
	}
	value := fmt.Sprintf("%.2f", e.Value)
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Name, strings.TrimSuffix(strings.TrimRight(value, "0"), "."), e.Unit))
}
