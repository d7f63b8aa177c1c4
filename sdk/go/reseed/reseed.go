// Package reseed is imported for its effect, by commands: programs that read standard input.
//
//	import _ "github.com/marketprism/prismrt/sdk/go/reseed"
//
// The server starts a command once, up to its first read, and goes on from there in each call. Go's own
// generator, from which the functions of math/rand and math/rand/v2, hash/maphash and the order of maps
// draw, was seeded by then. With this package it is seeded for each call. Run by anything but prismrt, it
// changes nothing.
//
// Plugins that import package prism have the same without it.
package reseed

import _ "github.com/marketprism/prismrt/sdk/go/internal/resume" // exports prism_resume
