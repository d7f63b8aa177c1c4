package pool

// line is who waits, in order of arrival. Joining it, and leaving it from anywhere,
// take the same time however long it is.
type line[T any] struct {
	first, last *waiter[T]
	length      int
}

// waiter is a caller in line.
type waiter[T any] struct {
	before, behind *waiter[T]
	served         chan struct{} // closed once it has left the line with a loan or an error
	loan           Loan[T]
	err            error
}

func (l *line[T]) join() *waiter[T] {
	w := &waiter[T]{before: l.last, served: make(chan struct{})}
	if l.last == nil {
		l.first = w
	} else {
		l.last.behind = w
	}
	l.last = w
	l.length++
	return w
}

// leave takes out a waiter that is in the line.
func (l *line[T]) leave(w *waiter[T]) {
	if w.before == nil {
		l.first = w.behind
	} else {
		w.before.behind = w.behind
	}
	if w.behind == nil {
		l.last = w.before
	} else {
		w.behind.before = w.before
	}
	w.before, w.behind = nil, nil
	l.length--
}

// serve sends the first away with what it came for, or an error.
func (l *line[T]) serve(loan Loan[T], err error) {
	w := l.first
	l.leave(w)
	w.loan, w.err = loan, err
	close(w.served)
}
