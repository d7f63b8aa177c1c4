// Package resume does what is to be done at the beginning of each call: it makes anew
// what would otherwise be the same in all of them, since each begins with the memory
// that initialisation left.
package resume

// hooks are run in this order.
var hooks []func()

// Add appends a hook.
func Add(hook func()) { hooks = append(hooks, hook) }

// Run seeds Go's generator and runs the hooks. It reports false when the generator
// could not be seeded, and repeats its numbers in every call.
func Run() bool {
	seeded := reseed()
	for _, hook := range hooks {
		hook()
	}
	return seeded
}
