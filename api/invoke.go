package api

import (
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/task"
)

// buffers keep what bodies are read into and answers are written to.
var buffers = reuse.New("requests", mostKept, func() buffer { return buffer{} })

type buffer struct{ in, out []byte }

// mostKept is how much memory, in bytes, a buffer keeps for another request.
const mostKept = 128 << 10

// Buffers tells what came of keeping memory from one request for another.
func Buffers() []reuse.Stats {
	return []reuse.Stats{buffers.Stats(), chunks.Stats(), posts.Stats(), lots.Stats()}
}

// keep ends a use of a buffer.
func keep(used *reuse.Item[buffer]) {
	buffers.Put(used, cap(used.Value.in)+cap(used.Value.out))
}

func (s *server) invoke(w http.ResponseWriter, r *request) error {
	used := buffers.Get()
	defer keep(used)
	result, err := s.call(w, r, &used.Value, nil)
	if err != nil {
		return err
	}
	header := w.Header()
	header["Content-Type"] = octets
	header["Content-Length"] = r.values[4:]
	s.write(w, http.StatusOK, result.Output)
	return nil
}

// call runs the plugin that a request names on the request's body, and sets the headers
// that tell of it. Input and output are in b. environ returns the variables of a request
// whose body has so many bytes; nil: there are none.
func (s *server) call(w http.ResponseWriter, r *request, b *buffer, environ func(body int) ([]string, error)) (task.Result, error) {
	in, err := invocationOf(r)
	if err != nil {
		return task.Result{}, err
	}
	limits, err := s.Invoker.Limits(r.Context(), namespace, in.Plugin)
	if err != nil {
		return task.Result{}, err
	}
	if b.in, err = readInto(b.in, w, r, limits.Input, "limits.input of "+in.Plugin); err != nil {
		return task.Result{}, err
	}
	in.Input, in.Buffer, in.Trace = b.in, b.out, s.Tracer.Take(r.Header)
	if environ != nil {
		if in.Environ, err = environ(len(b.in)); err != nil {
			return task.Result{}, err
		}
	}
	result, err := s.Invoker.Invoke(r.Context(), in)
	if r.version = result.Ref.Version; r.version != 0 {
		r.account(w.Header(), &result)
	}
	if err == nil && cap(result.Output) > cap(b.out) {
		b.out = result.Output
	}
	return result, err
}

// invocationOf returns what a request says of a call, its input apart.
func invocationOf(r *request) (task.Invocation, error) {
	in := task.Invocation{ID: r.id, Namespace: namespace, Plugin: r.param("name"), Function: r.param("function")}
	if text := r.Header.Get("Prism-Timeout"); text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 {
			return in, task.Faultf(task.KindInvalid, "the header Prism-Timeout is %q; write a positive number and a unit, such as 500ms", text)
		}
		in.Timeout = timeout
	}
	var err error
	in.Session, err = sessionOf(r.Header)
	return in, err
}

// mostSession bounds what a session is called, in bytes.
const mostSession = 128

// sessionOf reads the header Prism-Session. Without it, it is "".
func sessionOf(header http.Header) (string, error) {
	values := header["Prism-Session"]
	if len(values) == 0 {
		return "", nil
	}
	if name := values[0]; len(values) == 1 && name != "" && len(name) <= mostSession && utf8.ValidString(name) {
		return name, nil
	}
	return "", task.Faultf(task.KindInvalid, "the header Prism-Session is %.80q; send it once, with text of 1 to %d bytes", values, mostSession)
}

var octets = []string{"application/octet-stream"}

// account writes what there is to say of an invocation besides its output, in one
// piece of memory and under keys in the canonical form that they need.
func (r *request) account(header http.Header, result *task.Result) {
	var space [160]byte
	b := strconv.AppendInt(space[:0], int64(result.Ref.Version), 10)
	b = append(b, ' ')
	b = append(b, result.Digest.Short()...)
	version := len(b)
	b = strconv.AppendInt(b, result.Fuel, 10)
	fuel := len(b)
	b = appendTiming(b, &result.Timing)
	timing := len(b)
	text := string(strconv.AppendInt(b, int64(len(result.Output)), 10))
	r.set(header, "Prism-Version", 1, text[:version])
	r.set(header, "Prism-Fuel", 2, text[version:fuel])
	r.set(header, "Server-Timing", 3, text[fuel:timing])
	r.values[4] = text[timing:]
}

// appendTiming writes phases in milliseconds (W3C Server Timing).
func appendTiming(b []byte, t *task.Timing) []byte {
	for n, phase := range [...]struct {
		name string
		took time.Duration
	}{{"queue", t.Queue}, {"pool", t.Pool}, {"run", t.Run}, {"host", t.Host}, {"rewind", t.Rewind}} {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, phase.name...), ";dur="...)
		b = appendMilliseconds(b, phase.took)
	}
	return b
}

// appendMilliseconds writes a duration in milliseconds, to the microsecond.
func appendMilliseconds(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1000, 10)
	return append(b, '.', '0'+byte(us/100%10), '0'+byte(us/10%10), '0'+byte(us%10))
}
