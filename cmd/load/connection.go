package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	dialTime    = 5 * time.Second
	answerRoom  = 4 << 10 // bytes: what a connection begins with
	largeAnswer = 1 << 20 // bytes, with its header: larger ones are errors
)

// answer is what a request came to.
type answer struct {
	status int
	fuel   int64  // Prism-Fuel, in instructions; 0 when it is not there
	body   []byte // until the next exchange
}

// connection is one keep-alive connection that carries one request at a time. It
// knows no more of HTTP than the servers measured here need, so that the generator
// takes little of the machine it shares with them. Of 256 bytes there and back over
// 64 connections it took 11.6 µs of processor time a request, comparing every answer;
// wrk 4.1.0, which looks at none and has no open loop, 10.5 µs; fasthttp 1.78.0's
// client 14.9 µs (Go 1.26, two cores of amd64, the generator with one P).
type connection struct {
	address string // host:port
	request []byte // as it goes over the wire, always the same

	buffer []byte
	mu     sync.Mutex
	conn   net.Conn // nil: the next exchange dials
	closed bool
}

func newConnection(address string, request []byte) *connection {
	return &connection{address: address, request: request, buffer: make([]byte, answerRoom)}
}

var errClosed = errors.New("the connection was given up")

// dial opens the connection unless it is open.
func (c *connection) dial(ctx context.Context) (net.Conn, error) {
	c.mu.Lock()
	conn, closed := c.conn, c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case conn != nil:
		return conn, nil
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.Join(errClosed, conn.Close())
	}
	c.conn = conn
	return conn, nil
}

// exchange sends the request and reads the answer. After an error the next
// exchange has a new connection.
func (c *connection) exchange(ctx context.Context) (answer, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return answer{}, err
	}
	a, last, err := c.over(conn)
	if err != nil || last {
		c.drop()
	}
	return a, err
}

// over makes an exchange on an open connection; last says that the server will
// close it.
func (c *connection) over(conn net.Conn) (a answer, last bool, err error) {
	if _, err := conn.Write(c.request); err != nil {
		return answer{}, false, err
	}
	have := 0
	for {
		n, err := conn.Read(c.buffer[have:])
		if err != nil {
			return answer{}, false, err
		}
		have += n
		if end := bytes.Index(c.buffer[:have], []byte("\r\n\r\n")); end >= 0 {
			return c.rest(conn, end+4, have)
		}
		if err := c.room(have + 1); err != nil {
			return answer{}, false, err
		}
	}
}

// rest parses a header of so many bytes and reads what is missing of the body.
func (c *connection) rest(conn net.Conn, header, have int) (answer, bool, error) {
	a, length, last, err := parse(c.buffer[:header])
	if err != nil {
		return answer{}, false, err
	}
	if err := c.room(header + length); err != nil {
		return answer{}, false, err
	}
	for have < header+length {
		n, err := conn.Read(c.buffer[have:])
		if err != nil {
			return answer{}, false, err
		}
		have += n
	}
	if have > header+length {
		return answer{}, false, errors.New("there is more than one answer")
	}
	a.body = c.buffer[header:have]
	return a, last, nil
}

// room makes the buffer at least so long.
func (c *connection) room(length int) error {
	if length > largeAnswer {
		return fmt.Errorf("an answer is over %d bytes", largeAnswer)
	}
	for len(c.buffer) < length {
		c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
	}
	return nil
}

// parse reads the header of an answer, its empty line included. length is that of
// the body.
func parse(header []byte) (a answer, length int, last bool, err error) {
	line, rest, _ := bytes.Cut(header, []byte("\r\n"))
	version, status, _ := bytes.Cut(line, []byte(" "))
	if string(version) != "HTTP/1.1" || len(status) < 3 {
		return a, 0, false, fmt.Errorf("the answer begins with %.80q", line)
	}
	if a.status, err = strconv.Atoi(string(status[:3])); err != nil {
		return a, 0, false, fmt.Errorf("the answer begins with %.80q", line)
	}
	length = -1
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return a, 0, false, fmt.Errorf("a header line is %.80q", line)
		}
		name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
		switch {
		case is(name, "Content-Length"):
			length, err = strconv.Atoi(string(value))
		case is(name, "Prism-Fuel"):
			a.fuel, err = strconv.ParseInt(string(value), 10, 64)
		case is(name, "Connection"):
			last = is(value, "close")
		}
		if err != nil {
			return a, 0, false, fmt.Errorf("a header line is %.80q", line)
		}
	}
	if length < 0 {
		return a, 0, false, fmt.Errorf("an answer with status %d has no Content-Length", a.status)
	}
	return a, length, last, nil
}

// is compares names, or the few values there are, of headers.
func is(b []byte, name string) bool {
	return len(b) == len(name) && bytes.EqualFold(b, []byte(name))
}

// drop closes the connection. The next exchange makes another.
func (c *connection) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close() // nothing is on its way any more
		c.conn = nil
	}
}

// giveUp closes the connection for good and fails the exchange that waits on it.
func (c *connection) giveUp() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.drop()
}
