package wasm

// Instructions that checks are made of.
const (
	globalGet  = 0x23
	globalSet  = 0x24
	localTee   = 0x22
	localGet   = 0x20
	i64Const   = 0x42
	i64GeS     = 0x59
	i64Sub     = 0x7d
	i64Or      = 0x84
	i64Shl     = 0x86
	i64ShrU    = 0x88
	i64ExtendU = 0xad
	emptyType  = 0x40
)

// spend takes fuel without asking whether there is any. It does not change the
// stack of operands.
func (m *meter) spend(out []byte, fuel uint64) []byte {
	out = appendU32(append(out, globalGet), m.fuel)
	out = appendI64(append(out, i64Const), int64(fuel))
	return appendU32(append(out, i64Sub, globalSet), m.fuel)
}

// check takes fuel and refuels when it is used up.
func (m *meter) check(out []byte, fuel uint64) []byte {
	out = m.spend(out, fuel)
	return m.refuelBelowZero(appendU32(append(out, globalGet), m.fuel))
}

// refuelBelowZero asks for fuel if the number on top of the stack of operands is
// below zero. What wazero v1.12.0 has in registers where it falls through to is
// what the first of both ways has in them: the one without the call.
func (m *meter) refuelBelowZero(out []byte) []byte {
	out = append(out, i64Const, 0, i64GeS, byte(opIf), emptyType, byte(opElse), byte(opCall))
	return append(appendU32(out, m.imported), byte(opEnd))
}

// takeStack takes what the function holds.
func (c *coder) takeStack(out []byte) []byte {
	out = appendU32(append(out, globalGet), c.fuel+1)
	out = appendU32(append(out, localTee), c.locals)
	out = appendI64(append(out, i64Const), int64(c.held))
	return appendU32(append(out, i64Sub, globalSet), c.fuel+1)
}

// giveStack gives it back. It puts back what was there before, which processors
// need not wait for, as they would for a sum.
func (c *coder) giveStack(out []byte) []byte {
	out = appendU32(append(out, localGet), c.locals)
	return appendU32(append(out, globalSet), c.fuel+1)
}
