package wasm

// Stack is counted in bytes that native frames are estimated to take, so that
// recursion ends at the same depth on every machine. Functions that break the
// cycles of calls take it for themselves and for what they call without taking
// any, and give it back when they return.
//
// The estimate is rough: recursions in C and Go that fill the
// 84 MB at which wazero v1.12.0 gives up on amd64 had taken 0.6 to 4.3 times that.
const (
	// stackOfFrame is what a frame takes without its locals.
	stackOfFrame = 32

	// stackOfCallee is what a call through a table takes for a callee that takes
	// none itself, which maxAddressable bounds.
	stackOfCallee  = 64
	maxAddressable = 256

	// maxUncounted is the most a function may leave for its callers to take.
	maxUncounted = 4096
)

// needs settles what stack a function needs, whose own frame and callees are
// known. Its stack is what it and those below it need that do not take their own;
// it is held while one below it does take its own, which adds up in a recursion.
func (b *body) needs(frame uint64, callees []uint32, bodies []body) {
	b.stack = frame
	reaches := b.indirect
	if b.indirect {
		b.stack, b.held = frame+stackOfCallee, stackOfCallee
	}
	for _, i := range callees {
		callee := &bodies[i]
		if callee.counted || callee.recursive {
			reaches = true
			continue
		}
		b.stack = max(b.stack, frame+callee.stack)
		if callee.held > 0 {
			reaches = true
			b.held = max(b.held, callee.held)
		}
	}
	if reaches {
		b.held += frame
	}
	b.counted = b.recursive || b.stack > maxUncounted || b.addressable && b.stack > maxAddressable
	if b.counted {
		b.held = max(b.held, frame)
	}
}

// size is what a value takes in a frame.
func (t ValueType) size() uint64 {
	if t == V128 {
		return 16
	}
	return 8
}
