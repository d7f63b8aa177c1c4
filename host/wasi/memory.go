package wasi

import (
	"encoding/binary"
	"math"
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

var le = binary.LittleEndian

// memory is the guest's. Without one, everything is outside of it.
type memory struct{ api.Memory }

func memoryOf(m api.Module) memory {
	// wazero answers a nil pointer in an interface for a module without memory.
	if mem := m.Memory(); !reflect.ValueOf(mem).IsNil() {
		return memory{mem}
	}
	return memory{}
}

// view returns a piece of the memory, good until the guest runs again, or false
// where some of it is outside. The last byte of a memory of 4 GiB counts as
// outside: a piece that ends with it overflows in wazero.
func (m memory) view(ptr, length uint32) ([]byte, bool) {
	if m.Memory == nil || uint64(ptr)+uint64(length) > math.MaxUint32 {
		return nil, false
	}
	return m.Read(ptr, length)
}
