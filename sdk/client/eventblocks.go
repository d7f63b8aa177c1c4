package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// mostBlock bounds what is read of one event, in bytes. The server's own stay far below.
const mostBlock = 1 << 20

// eventBlocks reads a stream of events (WHATWG HTML, "Server-sent events"), whose lines
// end in LF or CRLF.
type eventBlocks struct{ lines *bufio.Reader }

// eventBlock is what stands between two empty lines.
type eventBlock struct {
	id   string // as far as it changes what the next connection goes on from; "": it does not
	data []byte // empty: it is no event
}

func newEventBlocks(r io.Reader) *eventBlocks {
	return &eventBlocks{bufio.NewReaderSize(r, 16<<10)}
}

// next reads a block. One that the end of the stream cuts off is none: the error is then
// io.EOF.
func (s *eventBlocks) next() (b eventBlock, err error) {
	size := 0
	lines := 0
	for {
		line, err := s.line(mostBlock - size)
		if err != nil {
			return eventBlock{}, err
		}
		if size += len(line) + 1; len(line) == 0 {
			return b, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			if !bytes.Contains(value, []byte{0}) {
				b.id = string(value)
			}
		case "data":
			if lines++; lines > 1 {
				b.data = append(b.data, '\n')
			}
			b.data = append(b.data, value...)
		}
	}
}

// line reads a line of at most some bytes, without its end. It is good until the next.
func (s *eventBlocks) line(most int) ([]byte, error) {
	var long []byte
	for {
		part, err := s.lines.ReadSlice('\n')
		if len(long)+len(part) > most {
			return nil, &malformed{fmt.Errorf("one event is over %d bytes", mostBlock)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case err != nil:
			return nil, err
		case long != nil:
			part = append(long, part...)
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r")), nil
	}
}
