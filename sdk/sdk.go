// Package sdk has what a project carries with it of an SDK that is not got as a package.
package sdk

import "embed"

// Files are the headers of C and C++ and the package of Zig, by their path below this folder.
//
//go:embed c/prism.h c/prism.hpp c/prism_test.h zig/src/*.zig
var Files embed.FS
