package bottleneck_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/bottleneck"
	"github.com/marketprism/prismrt/runtime/monitor"
)

func TestAFindingIsToldOnceWhenItComesAndOnceWhenItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		sick := func(from, to time.Duration) bool {
			since := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
			return since >= from && since < to
		}
		w := &bottleneck.Watcher{
			Window: func(length time.Duration) *monitor.Window {
				if length != bottleneck.Now {
					t.Errorf("a window of %v was asked for", length)
				}
				if sick(5*time.Second, 20*time.Second) || sick(22*time.Second, 30*time.Second) {
					return window(calls("slow", 100, times(monitor.PhaseRun, 60*ms)))
				}
				return window()
			},
			Opened: func(f bottleneck.Finding) { told = append(told, "opened "+f.Ref.Plugin) },
			Closed: func(f bottleneck.Finding) { told = append(told, fmt.Sprintf("closed %s, %v", f.Ref.Plugin, f.Lost)) },
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.Run(ctx)
		// A look at which it was missing is not its end.
		if want := []string{"opened slow", "closed slow, 6s"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}
