package api

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Patient wraps a listener for http.Server, whose connections get new deadlines some six
// times a request, nearly all of which are later than the one before: where a timer
// stands that goes off before the new deadline, it is left, and one that goes off too early
// is set anew. Setting them all costs a small request 3% of its time.
func Patient(l net.Listener) net.Listener { return patientListener{l} }

type patientListener struct{ net.Listener }

func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &patientConn{Conn: c}
	p.reading.set, p.writing.set = c.SetReadDeadline, c.SetWriteDeadline
	return p, nil
}

type patientConn struct {
	net.Conn
	reading, writing alarm
}

func (c *patientConn) SetReadDeadline(t time.Time) error  { return c.reading.wait(t) }
func (c *patientConn) SetWriteDeadline(t time.Time) error { return c.writing.wait(t) }

func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.reading.wait(t), c.writing.wait(t))
}

func (c *patientConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 || err == nil || !c.reading.early(err) {
			return n, err
		}
	}
}

func (c *patientConn) Write(b []byte) (written int, err error) {
	for {
		n, err := c.Conn.Write(b[written:])
		written += n
		if err == nil || !c.writing.early(err) {
			return written, err
		}
	}
}

// alarm is the deadline of one direction.
type alarm struct {
	set func(time.Time) error

	mu     sync.Mutex
	wanted time.Time // zero: none
	timer  time.Time // when the connection's own goes off, or went off; zero: it has none
}

// wait makes t the deadline. A timer that goes off earlier is left, also one that has
// gone off: early sees to it.
func (a *alarm) wait(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = t
	if a.timer.Equal(t) || !a.timer.IsZero() && (t.IsZero() || a.timer.Before(t)) {
		return nil
	}
	a.timer = t
	return a.set(t)
}

// early tells whether an error is of a timer that went off before the deadline, which
// is then set.
func (a *alarm) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.wanted.IsZero() && !time.Now().Before(a.wanted) {
		return false
	}
	a.timer = a.wanted
	return a.set(a.wanted) == nil
}
