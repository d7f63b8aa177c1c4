// Package task is the vocabulary every other package speaks: what is asked of a
// plugin (Invocation), what comes back (Result), how it fails (Fault), and the
// units limits are written in (Bytes, Duration).
//
// It sits at the bottom of the house and imports nothing of ours.
package task
