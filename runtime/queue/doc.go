// Package queue takes tasks that must not be lost, has them run, and keeps what they come
// to: retries, delays, priorities, fair turns between plugins, and the states in between.
// What survives a crash it leaves to a store.
//
// A task goes round between four parts, each with a goroutine of its own. Submit has it
// stored. The dispatcher (dispatch.go) leases what waits, for each plugin about as much as
// its workers can do until the next lease is there. Workers (worker.go) begin what is leased
// in order, in series that share a turn and an instance, and go when nothing is left. The
// finisher (finish.go) stores what attempts came to, all that is there at once; while the
// store is busy with some, the next run. Besides, keep.go makes leases last, brings tasks
// into their lanes when they are due, and forgets those that were kept for long enough.
//
// Each plugin has a line (line.go): what of its tasks is here, and what is known of its
// attempts. A plugin's tasks wait for those of its own line alone; between lines the
// Runner's scheduler decides, as it does for calls, and where a bound is common to several
// they take turns.
//
// How states follow each other is in transitions.go, and drawn in states.md.
package queue
