//go:build handlers

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

//go:wasmimport prism fail
func hostFail(p unsafe.Pointer, n int32)

//go:wasmimport prism log
func hostLog(level int32, p unsafe.Pointer, n int32)

//go:wasmimport prism progress
func hostProgress(done, total int64, p unsafe.Pointer, n int32)

//go:wasmimport prism config_get
func configGet(k unsafe.Pointer, kn int32, p unsafe.Pointer, n int32) int32

var calls int

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func input() []byte {
	b := make([]byte, inputLen())
	for off := 0; off < len(b); { // in pieces, to have offsets tried
		off += int(inputRead(ptr(b[off:]), int32(off), 7))
	}
	return b
}

//go:wasmexport handle
func handle() int32 {
	calls++
	out := append(bytes.ToUpper(input()), '0'+byte(calls))
	outputWrite(ptr(out[:1]), 1)
	outputWrite(ptr(out[1:]), int32(len(out)-1))
	return 0
}

//go:wasmexport refuse
func refuse() int32 {
	line, why := []byte("looking at it"), []byte("no price in it")
	hostLog(2, ptr(line), int32(len(line)))
	hostFail(ptr(why), int32(len(why)))
	return 1
}

//go:wasmexport advance
func advance() int32 {
	in := input()
	hostProgress(1, 3, nil, 0)
	hostLog(0, ptr(in), int32(len(in)))
	hostProgress(2, 0, ptr(in), int32(len(in)))
	hostLog(9, ptr(in[:1]), 1)
	hostProgress(-3, -1<<63, ptr(in[:1]), 1)
	return 0
}

//go:wasmexport strayprogress
func strayprogress() int32 {
	hostProgress(1, 2, unsafe.Pointer(uintptr(0xfffffff0)), 64)
	return 0
}

//go:wasmexport three
func three() int32 { return 3 }

//go:wasmexport config
func config() int32 {
	key, b := input(), make([]byte, 4)
	n := configGet(ptr(key), int32(len(key)), ptr(b), int32(len(b)))
	out := append(b[:max(0, min(n, 4))], ' ', byte('0'+n))
	outputWrite(ptr(out), int32(len(out)))
	return 0
}

//go:wasmexport stray
func stray() int32 {
	outputWrite(unsafe.Pointer(uintptr(0xfffffff0)), 64)
	return 0
}

//go:wasmexport strayread
func strayread() int32 {
	if inputRead(unsafe.Pointer(uintptr(0xfffffff0)), 0, 64) != -1 {
		return 1
	}
	return 0
}

//go:wasmexport takes
func takes(int32) int32 { return 0 }
