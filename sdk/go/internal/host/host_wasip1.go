package host

import "unsafe"

//go:wasmimport prism input_len
func inputLen() int32

//go:wasmimport prism input_read
//go:noescape
func inputRead(ptr unsafe.Pointer, off, n uint32) int32

//go:wasmimport prism output_write
//go:noescape
func outputWrite(ptr unsafe.Pointer, n uint32)

//go:wasmimport prism fail
//go:noescape
func fail(message string)

//go:wasmimport prism log
//go:noescape
func log(level int32, message string)

//go:wasmimport prism progress
//go:noescape
func progress(done, total int64, message string)

//go:wasmimport prism config_get
//go:noescape
func configGet(key string, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport prism call_get
//go:noescape
func callGet(key string, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport wasi_snapshot_preview1 random_get
//go:noescape
func randomGet(ptr unsafe.Pointer, n uint32) uint32

// InputLen returns the length of the input, 0 while the plugin is initialised.
func InputLen() int { return int(inputLen()) }

// InputRead copies the input from off on into p, and returns how many bytes, -1 when refused.
func InputRead(p []byte, off int) int {
	return int(inputRead(unsafe.Pointer(unsafe.SliceData(p)), uint32(off), uint32(len(p))))
}

// OutputWrite adds p to the output.
func OutputWrite(p []byte) {
	outputWrite(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p)))
}

// Fail makes the call fail with a message.
func Fail(message string) { fail(message) }

// Log writes a line to the log.
func Log(level int32, message string) { log(level, message) }

// Progress tells how far the guest is.
func Progress(done, total int64, message string) { progress(done, total, message) }

// ConfigGet copies as much of a value as fits, and returns its whole length, -1 when it is not set.
func ConfigGet(key string, value []byte) int {
	return int(configGet(key, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value))))
}

// CallGet is ConfigGet for what the host tells of the call.
func CallGet(key string, value []byte) int {
	return int(callGet(key, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value))))
}

// Random fills p with random bytes of the host. It does without crypto/rand, which adds 350 KB to a
// plugin.
func Random(p []byte) {
	if errno := randomGet(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))); errno != 0 {
		panic("prism: the host has no random numbers")
	}
}

// Serve is here so that tests which use prismtest still compile for wasip1.
func Serve(*Call, func()) {
	panic("prismtest runs natively: unset GOOS and GOARCH")
}
