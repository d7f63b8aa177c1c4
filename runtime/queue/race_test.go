//go:build race

package queue_test

// race is set where tests run under the race detector, which makes a million tasks slow.
const race = true
