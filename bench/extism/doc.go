// Package extism compares prismrt with Extism's own host for Go, on plug-ins that ship with it.
// It is a module of its own, so that the server does not get what that needs.
package extism
