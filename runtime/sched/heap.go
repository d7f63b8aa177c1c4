package sched

// ranked is what stands in a heap and knows its place there, from 1. At 0 it
// stands in none.
type ranked[T any] interface {
	before(T) bool
	place() *int
}

// heap is a binary heap whose members can be moved in it and taken out of the middle.
// It is container/heap with types, for members that keep their index themselves.
type heap[T ranked[T]] []T

func (h *heap[T]) push(x T) {
	*h = append(*h, x)
	*x.place() = len(*h)
	h.up(len(*h))
}

func (h *heap[T]) remove(x T) {
	at, last := *x.place(), len(*h)
	h.swap(at, last)
	var none T
	(*h)[last-1] = none
	*h = (*h)[:last-1]
	*x.place() = 0
	if at < last {
		h.fix((*h)[at-1])
	}
}

// fix moves x to where it belongs now.
func (h *heap[T]) fix(x T) {
	h.up(*x.place())
	h.down(*x.place())
}

func (h *heap[T]) up(at int) {
	for ; at > 1 && (*h)[at-1].before((*h)[at/2-1]); at /= 2 {
		h.swap(at, at/2)
	}
}

func (h *heap[T]) down(at int) {
	for {
		child := 2 * at
		if child > len(*h) {
			return
		}
		if child < len(*h) && (*h)[child].before((*h)[child-1]) {
			child++
		}
		if !(*h)[child-1].before((*h)[at-1]) {
			return
		}
		h.swap(at, child)
		at = child
	}
}

func (h *heap[T]) swap(a, b int) {
	x, y := (*h)[a-1], (*h)[b-1]
	(*h)[a-1], (*h)[b-1] = y, x
	*x.place(), *y.place() = b, a
}
