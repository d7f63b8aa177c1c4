// Package queue takes tasks that must not be lost, has them run, and keeps what they come
// to: retries, delays, priorities, fair turns between plugins, and the states in between.
// What survives a crash it leaves to a store.
package queue
