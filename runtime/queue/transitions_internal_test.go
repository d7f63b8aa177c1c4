package queue

import (
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

var update = flag.Bool("update", false, "write states.md anew")

func TestTheDiagramIsOfTheTransitions(t *testing.T) {
	const file = "states.md"
	want := "# The states of a task\n\nMade of the table in `transitions.go` by `go test ./runtime/queue -run Diagram -update`.\n\n```mermaid\n" + diagram() + "```\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v); run the test with -update", file, err)
	}
}

func TestEachStateIsReachedAndOnlyEndedOnesAreLeftByHand(t *testing.T) {
	steps := []step{submit, submitLater, comeDue, lease, giveBack, cutOff, succeed, fail, giveUp, cancel, sendAgain}
	for _, s := range task.States {
		if !slices.ContainsFunc(transitions, func(tr transition) bool { return tr.to == s }) {
			t.Errorf("no transition leads to %s", s)
		}
		for _, by := range steps {
			to, err := by.from(s)
			switch {
			case err != nil && task.FaultOf(err).Kind != task.KindConflict:
				t.Errorf("%s of a %s task is %v; want a conflict", by, s, err)
			case s.Ended() && by != sendAgain && err == nil:
				t.Errorf("%s takes a %s task to %s, though it has ended", by, s, to)
			case s == task.Succeeded && err == nil:
				t.Errorf("%s takes a succeeded task to %s", by, to)
			}
		}
		if _, err := cancel.from(s); (err == nil) == s.Ended() {
			t.Errorf("canceling a %s task: %v", s, err)
		}
	}
}

func TestAnIllegalStepOfTheQueuePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an attempt ended by being submitted")
		}
	}()
	submit.outcome()
}
