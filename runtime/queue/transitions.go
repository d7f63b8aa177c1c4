package queue

import (
	"fmt"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// step is what takes a task from one state to another.
type step string

const (
	submit      step = "submitted"
	submitLater step = "submitted for later"
	comeDue     step = "due"
	lease       step = "leased"
	giveBack    step = "given back"
	cutOff      step = "cut off"
	succeed     step = "succeeded"
	fail        step = "failed"
	giveUp      step = "given up"
	cancel      step = "canceled"
	sendAgain   step = "sent again"
)

// transition is one way for a task to go. What is not among the transitions does not happen.
type transition struct {
	from task.State // "": it is not there yet
	step step
	to   task.State
}

var transitions = []transition{
	{"", submit, task.Queued},
	{"", submitLater, task.Scheduled},
	{task.Scheduled, comeDue, task.Queued},
	{task.Queued, lease, task.Running},
	{task.Running, succeed, task.Succeeded},
	{task.Running, fail, task.Failed},
	{task.Running, giveUp, task.Dead},
	{task.Running, giveBack, task.Queued},
	{task.Running, cutOff, task.Queued},
	{task.Failed, comeDue, task.Queued},
	{task.Scheduled, cancel, task.Canceled},
	{task.Queued, cancel, task.Canceled},
	{task.Running, cancel, task.Canceled},
	{task.Failed, cancel, task.Canceled},
	{task.Dead, sendAgain, task.Queued},
	{task.Canceled, sendAgain, task.Queued},
}

// from returns where a step leads. The error is a conflict, for whoever asked for it.
func (s step) from(state task.State) (task.State, error) {
	for _, t := range transitions {
		if t.from == state && t.step == s {
			return t.to, nil
		}
	}
	return "", task.Faultf(task.KindConflict, "a task that is %s cannot be %s", state, s)
}

// outcome is where a step leads a task that a worker has.
func (s step) outcome() task.State {
	to, err := s.from(task.Running)
	if err != nil {
		panic("queue: no attempt ends so: " + err.Error())
	}
	return to
}

// diagram draws the transitions in the notation of Mermaid.
func diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	place := func(s task.State) string {
		if s == "" {
			return "[*]"
		}
		return string(s)
	}
	for _, t := range transitions {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", place(t.from), place(t.to), t.step)
	}
	for _, s := range task.States {
		if s.Ended() {
			fmt.Fprintf(&b, "    %s --> [*]: forgotten\n", s)
		}
	}
	return b.String()
}
