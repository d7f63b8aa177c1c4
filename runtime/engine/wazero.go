package engine

import (
	"reflect"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// What wazero does not tell is read from its own fields: how large a function's
// native stack has become (internal/engine/wazevo, callEngine.stack), and the
// frames that a snapshot keeps (snapshot.sp, top and stack). The fields are looked
// up by name and type; where they are not as in v1.12.0, stacks are taken to be
// small and snapshots to be good for one time, and a test fails.

// field is where a field of a struct lies.
type field struct {
	owner  reflect.Type // nil: not looked up yet, or not there
	offset uintptr
}

// fieldOf looks up the field of that name and type in the struct behind a pointer.
func fieldOf[T any](pointer any, name string) (field, bool) {
	t := reflect.TypeOf(pointer)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return field{}, false
	}
	f, found := t.Elem().FieldByName(name)
	return field{t, f.Offset}, found && len(f.Index) == 1 && f.Type == reflect.TypeFor[T]()
}

// of returns the field of a struct of the type it was looked up in.
func of[T any](f field, pointer any) *T {
	return (*T)(unsafe.Add(reflect.ValueOf(pointer).UnsafePointer(), f.offset))
}

// stackOf returns a function's native stack, which changes as it grows; nil where
// it cannot be told.
func stackOf(f api.Function) *[]byte {
	stack, found := fieldOf[[]byte](f, "stack")
	if !found {
		return nil
	}
	return of[[]byte](stack, f)
}

// framesOf returns the part of a snapshot that frames lie in, or nil where it
// cannot be told. Restored, the snapshot's guest runs on these very bytes.
func framesOf(s experimental.Snapshot) []byte {
	sp, hasSP := fieldOf[uintptr](s, "sp")
	top, hasTop := fieldOf[uintptr](s, "top")
	all, hasStack := fieldOf[[]byte](s, "stack")
	if !hasSP || !hasTop || !hasStack {
		return nil
	}
	stack := *of[[]byte](all, s)
	if len(stack) == 0 {
		return nil
	}
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(stack)))
	from, to := *of[uintptr](sp, s)-begin, *of[uintptr](top, s)-begin
	if from > to || to > uintptr(len(stack)) {
		return nil
	}
	return stack[from:to]
}
