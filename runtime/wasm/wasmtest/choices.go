package wasmtest

// choices are the bytes that decide what is generated. Where they have run out
// every choice is the first alternative, which is the simplest.
type choices struct{ left []byte }

func (c *choices) byte() byte {
	if len(c.left) == 0 {
		return 0
	}
	b := c.left[0]
	c.left = c.left[1:]
	return b
}

// below chooses a number from 0 to n-1; one byte is used up for it, two where n
// is over 256, none where there is no choice.
func (c *choices) below(n int) int {
	switch {
	case n < 2:
		return 0
	case n > 256:
		return (int(c.byte())<<8 | int(c.byte())) % n
	}
	return int(c.byte()) % n
}

// rarely is true once in n times.
func (c *choices) rarely(n int) bool { return c.below(n) == n-1 }

// weighted chooses an index, the more often the higher its weight. The weights'
// sum is at most 256.
func (c *choices) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := c.below(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	return 0
}

// bits are n bytes, the lowest first.
func (c *choices) bits(n int) uint64 {
	v := uint64(0)
	for i := range n {
		v |= uint64(c.byte()) << (8 * i)
	}
	return v
}

// cut takes the next n bytes away, or as many as there are.
func (c *choices) cut(n int) *choices {
	n = min(n, len(c.left))
	part := &choices{left: c.left[:n]}
	c.left = c.left[n:]
	return part
}

// one chooses an element.
func one[T any](c *choices, from []T) T { return from[c.below(len(from))] }
