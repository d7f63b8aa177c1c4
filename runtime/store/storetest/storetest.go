// Package storetest says in tests what a store of tasks must do. A store passes Run, and
// what is built on stores is tested on a Faulty one.
package storetest

import "github.com/marketprism/prismrt/runtime/store"

// Store is all that keeps durable tasks.
type Store interface {
	store.Tasks
	store.Schedules
	store.Callbacks
}
