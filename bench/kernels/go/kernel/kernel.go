// Package kernel is the work that is done in Go. Each function does its work n
// times over and returns a checksum of what came out, which n alone determines:
// natively the same as in a guest.
package kernel

// mix adds a value to a checksum.
func mix(checksum, value uint32) uint32 { return checksum*31 + value }

// random is a xorshift generator (Marsaglia, "Xorshift RNGs", 2003). It is never 0.
type random uint32

func (r *random) next() uint32 {
	*r ^= *r << 13
	*r ^= *r >> 17
	*r ^= *r << 5
	return uint32(*r)
}
