package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// readBody reads a whole request body of at most limit bytes, in at most the
// BodyTimeout. What names the limit in the refusal.
func (s *server) readBody(w http.ResponseWriter, r *request, limit task.Bytes, what string) ([]byte, error) {
	done := s.limitReading(w)
	b, err := readInto(nil, w, r, limit, what)
	if err == nil {
		done()
	}
	return b, err
}

// promised is how many bytes of a body are set aside because a header promises them.
const promised = 1 << 20

// readInto reads a whole request body of at most limit bytes into b, which grows if
// it must. What names the limit in the refusal.
func readInto(b []byte, w http.ResponseWriter, r *request, limit task.Bytes, what string) ([]byte, error) {
	n := r.ContentLength
	if n > int64(limit) {
		return nil, bodyTooLarge(limit, what)
	}
	var err error
	if n >= 0 && n <= promised {
		b = slices.Grow(b[:0], int(n))[:n]
		_, err = io.ReadFull(r.Body, b)
	} else {
		into := bytes.NewBuffer(slices.Grow(b[:0], int(min(max(n, 0), promised))+bytes.MinRead))
		_, err = into.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
		b = into.Bytes()
	}
	if err != nil {
		return nil, bodyFault(err, bodyTooLarge(limit, what))
	}
	return b, nil
}

// limitReading gives the client until the BodyTimeout. The returned function
// ends that: the connection is then watched for the client's leaving, and a
// deadline would look like it.
func (s *server) limitReading(w http.ResponseWriter) (done func()) {
	rc := http.NewResponseController(w)
	// A connection that takes no deadline has none to pass.
	_ = rc.SetReadDeadline(time.Now().Add(s.BodyTimeout))
	return func() { _ = rc.SetReadDeadline(time.Time{}) }
}

func bodyTooLarge(limit task.Bytes, what string) *task.Fault {
	return task.Faultf(task.KindTooLarge, "the body is over %s, which is %v", what, limit)
}

// bodyFault tells apart why a body could not be read.
func bodyFault(err error, tooLarge *task.Fault) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.CausedBy(err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &httpFault{http.StatusRequestTimeout, task.Faultf(task.KindInvalid, "the body did not come in time").CausedBy(err)}
	}
	return task.Faultf(task.KindInvalid, "the body could not be read to its end").CausedBy(err)
}

// maxJSON bounds the JSON documents callers send, in bytes.
const maxJSON = 64 << 10

// readJSON decodes the body into v and refuses unknown fields by name.
func (s *server) readJSON(w http.ResponseWriter, r *request, v any) error {
	defer s.limitReading(w)()
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return task.Faultf(task.KindInvalid, "the body is not the JSON that is expected here: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return task.Faultf(task.KindInvalid, "there is more in the body after the JSON object")
	}
	return nil
}

var nosniff = []string{"nosniff"}

// write sends an answer in at most the BodyTimeout.
func (s *server) write(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.BodyTimeout))
	header := w.Header()
	header["X-Content-Type-Options"] = nosniff
	if header["Content-Length"] == nil {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has left is told nothing
}

func (s *server) writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // a link with two parameters is to be read by people, too
	if err := encoder.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, status, body.Bytes())
	return nil
}
