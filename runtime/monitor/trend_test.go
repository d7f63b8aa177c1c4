package monitor_test

import (
	"math"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
)

// trendOf notes a value every ten seconds.
func trendOf(n int, value func(k int) float64) *monitor.Trend {
	t := monitor.NewTrend(10*time.Second, 31)
	begun := time.Now()
	for k := range n {
		t.Note(begun.Add(time.Duration(k)*10*time.Second), value(k))
	}
	return t
}

const mib = 1 << 20

func TestASlopeIsNotBentByOutliers(t *testing.T) {
	line := trendOf(31, func(k int) float64 {
		if k%7 == 3 {
			return 1e9 // now and then
		}
		return 100 + 20*float64(k)
	})
	if got := line.Slope(); math.Abs(got-2) > 0.1 {
		t.Errorf("the slope is %v a second, want 2", got)
	}
	if got := trendOf(2, func(k int) float64 { return float64(k) }).Slope(); got != 0 {
		t.Errorf("two samples have a slope of %v", got)
	}
	if got := trendOf(31, func(k int) float64 { return float64(-k) }).Steadiness(); got != -1 {
		t.Errorf("what falls has a steadiness of %v, want -1", got)
	}
	if got := trendOf(31, func(int) float64 { return 5 }).Steadiness(); got != 0 {
		t.Errorf("what stays has a steadiness of %v, want 0", got)
	}
}

func TestALeakIsSuspectedOfWhatGrowsAndOfNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     int
		value func(k int) float64
		leaks bool
	}{
		{"steady growth", 31, func(k int) float64 { return 100*mib + float64(k)*mib }, true},
		{"growth with dips", 31, func(k int) float64 { return 100*mib + float64(k)*mib - float64(k%5)*0.7*mib }, true},
		{"growth for two minutes so far", 13, func(k int) float64 { return float64(k) * 10 * mib }, false},
		{"a sawtooth", 31, func(k int) float64 { return 100*mib + float64(k%8)*20*mib }, false},
		{"a step", 31, func(k int) float64 { return 100*mib + float64(k/16)*200*mib }, false},
		{"growth up to a plateau", 31, func(k int) float64 { return 100*mib + float64(min(k, 8))*20*mib }, false},
		{"little", 31, func(k int) float64 { return float64(k) * mib / 10 }, false},
		{"little of much", 31, func(k int) float64 { return 1000*mib + float64(k)*mib }, false},
		{"nothing", 31, func(int) float64 { return 100 * mib }, false},
		{"shrinking", 31, func(k int) float64 { return 1000*mib - float64(k)*10*mib }, false},
	} {
		if got := trendOf(tt.n, tt.value).Leaks(); got != tt.leaks {
			t.Errorf("%s: a leak is suspected: %v", tt.name, got)
		}
	}
}

func TestATrendKeepsItsSpanAndForgetsWhatLiesBeforeAGap(t *testing.T) {
	trend := monitor.NewTrend(10*time.Second, 31)
	begun := time.Now()
	for k := range 1000 { // every second
		trend.Note(begun.Add(time.Duration(k)*time.Second), float64(k))
	}
	// One that comes a tenth of its time early counts.
	if got := trend.Span(); got < 4*time.Minute+30*time.Second || got > 5*time.Minute {
		t.Errorf("the span is %v, want 4m30s to 5m", got)
	}
	trend.Note(begun.Add(time.Hour), 0)
	if got := trend.Span(); got != 0 {
		t.Errorf("after a gap of most of an hour the span is %v", got)
	}
}

func BenchmarkTrend(b *testing.B) {
	trend := trendOf(31, func(k int) float64 { return float64(k*k%17) * mib })
	for b.Loop() {
		trend.Slope()
		trend.Leaks()
	}
}
