package sqlite

import "github.com/marketprism/prismrt/runtime/task"

// state is how a State is numbered in the database: never otherwise.
type state int

const (
	nothing state = iota - 1
	scheduled
	queued
	running
	failed
	succeeded
	dead
	canceled
	stateCount
)

// counts are how many tasks there are in each state.
type counts [stateCount]int64

func (c *counts) add(other *counts) {
	for s, n := range other {
		c[s] += n
	}
}

var states = [stateCount]task.State{task.Scheduled, task.Queued, task.Running, task.Failed, task.Succeeded, task.Dead, task.Canceled}
