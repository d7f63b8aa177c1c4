package monitor

import "fmt"

// Verdict is how a layer does.
type Verdict string

// The verdicts, from best to worst.
const (
	OK    Verdict = "ok"
	Watch Verdict = "watch" // somebody should look at it some time
	Act   Verdict = "act"   // callers notice, or will soon
)

// Verdicts lists every verdict, from best to worst.
var Verdicts = []Verdict{OK, Watch, Act}

func (v Verdict) rank() int {
	for n, other := range Verdicts {
		if v == other {
			return n
		}
	}
	return 0
}

// Layer is what is told of each of the four.
type Layer struct {
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`   // a sentence
	Trend   Moving  `json:"trend"` // of its main gauge
}

// Moving is how a gauge moved over the last minute.
type Moving struct {
	Of        string  `json:"of"`         // the gauge
	PerSecond float64 `json:"per_second"` // its slope, in the gauge's unit
}

// never is a threshold that nothing reaches.
const never = 1e300

// judgement is the worst of what was found, the first of several that are as bad.
type judgement struct {
	verdict Verdict
	why     string
}

func judge() *judgement { return &judgement{OK, "no threshold is reached"} }

// from finds a value to be at a threshold or above.
func (j *judgement) from(value, watch, act float64, format string, args ...any) {
	verdict := OK
	switch {
	case value >= act:
		verdict = Act
	case value >= watch:
		verdict = Watch
	}
	if verdict.rank() > j.verdict.rank() {
		j.verdict, j.why = verdict, fmt.Sprintf(format, args...)
	}
}

func (j *judgement) layer(of string, t *Trend) Layer {
	return Layer{Verdict: j.verdict, Why: j.why, Trend: Moving{of, t.Slope()}}
}
