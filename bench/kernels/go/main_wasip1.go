// Command go is the kernels written in Go, as a reactor: it exports each of them
// under its name in lower case.
package main

import "github.com/marketprism/prismrt/bench/kernels/go/kernel"

func main() {} // which a reactor never runs

//go:wasmexport json
func exportJSON(n int32) int32 { return kernel.JSON(n) }

//go:wasmexport regexp
func exportRegexp(n int32) int32 { return kernel.Regexp(n) }

//go:wasmexport sort
func exportSort(n int32) int32 { return kernel.Sort(n) }

//go:wasmexport sha256
func exportSHA256(n int32) int32 { return kernel.SHA256(n) }

//go:wasmexport matrix
func exportMatrix(n int32) int32 { return kernel.Matrix(n) }

//go:wasmexport map
func exportMap(n int32) int32 { return kernel.Map(n) }
