// Command asks what it knows of the call before and after it reads its input, and draws a number. The
// server's tests build it.
package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"unsafe"

	_ "github.com/marketprism/prismrt/sdk/go/reseed"
)

//go:wasmimport prism call_get
func callGet(key string, p unsafe.Pointer, n int32) int32

var started = get("plugin", 64)

func get(key string, capacity int) string {
	b := make([]byte, capacity)
	n := callGet(key, unsafe.Pointer(unsafe.SliceData(b)), int32(len(b)))
	return fmt.Sprintf("%s %d", b[:max(0, min(int(n), len(b)))], n)
}

func main() {
	id := get("request_id", 26)
	in, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%s|%s|%s|%s|%s|%s|%s %d", in, started, id, get("request_id", 5), get("function", 8), get("nothing", 8), get("version", 0), rand.Uint64())
}
