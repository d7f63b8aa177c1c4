// Package wasmtest generates WebAssembly modules for tests of whatever reads,
// rewrites or runs modules. What a module holds is decided by a string of bytes,
// so that coverage-guided fuzzing can steer it: every string gives a module,
// every module is valid WebAssembly 2.0, and a string that is cut short gives a
// simpler one.
//
// Modules end by themselves. Every jump back to a loop, and every call that could
// be part of a cycle of calls, is taken only while the global BudgetGlobal is
// above zero, and takes something from it; a few loops count in a local instead.
// These guards differ in form on purpose. Memories and tables grow by little.
//
// A module may import
//
//   - from "env", the host's: log (i32) -> () and pick () -> (i32);
//   - from "state", which is a module too (State): a function, globals, two
//     tables and a memory.
//
// It exports most functions ("f0", "f1", ...), under "sizes" a function that
// answers the length of each table, and where they are exported its globals ("g0", ...), its
// tables ("t0", ...) and its memory ("memory").
//
// The package works on bytes alone and imports neither an engine nor the package
// it is used to test.
package wasmtest
