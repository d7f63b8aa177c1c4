// Command upper is a reactor that answers with its input in capitals. It is
// written against the prism ABI itself, as c/upper.c is, not against the SDK.
package main

import (
	"bytes"
	"unsafe"
)

//go:wasmimport prism input_len
func inputLen() int32

//go:wasmimport prism input_read
func inputRead(p unsafe.Pointer, off, n int32) int32

//go:wasmimport prism output_write
func outputWrite(p unsafe.Pointer, n int32)

func main() {} // which a reactor never runs

//go:wasmexport handle
func handle() int32 {
	in := make([]byte, inputLen())
	for off := 0; off < len(in); {
		n := inputRead(unsafe.Pointer(&in[off]), int32(off), int32(len(in)-off))
		if n <= 0 {
			return 1
		}
		off += int(n)
	}
	out := bytes.ToUpper(in)
	outputWrite(unsafe.Pointer(unsafe.SliceData(out)), int32(len(out)))
	return 0
}
