package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

const (
	frames = "application/vnd.prism.frames"
	ndjson = "application/x-ndjson"
)

// obeying is a module whose handlers "handle" and "again" answer with their input, but do
// other things if that begins with a t (trap), an s (spin for ever), an f (fail), a w (work for a
// moment first) or an x (answer 60,000 bytes).
func obeying() []byte {
	section := func(id byte, content ...[]byte) []byte {
		all := slices.Concat(content...)
		return append(binary.AppendUvarint([]byte{id}, uint64(len(all))), all...)
	}
	text := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	if1 := func(letter byte, then ...byte) []byte {
		return slices.Concat([]byte{0x41, 0, 0x2d, 0, 0, 0x41, 0x80 | letter, 0, 0x46, 0x04, 0x40}, then, []byte{0x0b})
	}
	code := slices.Concat(
		[]byte{1, 1, 0x7f}, // a local: the length, and what is left to do
		[]byte{0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 0x04, 0x10, 0, 0x21, 0},
		if1('t', 0x00),
		if1('s', 0x03, 0x40, 0x0c, 0, 0x0b),
		if1('f', 0x41, 1, 0x0f),
		if1('x', 0x41, 0xe0, 0xd4, 0x03, 0x21, 0),
		if1('w', 0x41, 0xa0, 0x8d, 0x06, 0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b,
			0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 0x04, 0x10, 0, 0x21, 0),
		[]byte{0x41, 0, 0x20, 0, 0x10, 1, 0x41, 0, 0x0b},
	)
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		section(1, []byte{3, 0x60, 0, 1, 0x7f, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 0}),
		section(2, []byte{2}, text("prism"), text("input_read"), []byte{0, 1}, text("prism"), text("output_write"), []byte{0, 2}),
		section(3, []byte{1, 0}), section(5, []byte{1, 0, 1}),
		section(7, []byte{3}, text("memory"), []byte{2, 0}, text("handle"), []byte{0, 2}, text("again"), []byte{0, 2}),
		section(10, []byte{1}, binary.AppendUvarint(nil, uint64(len(code))), code),
	)
}

// upload puts a module, with a manifest unless that is "".
func upload(t *testing.T, url, name string, module []byte, manifest string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for part, content := range map[string]string{"module": string(module), "manifest": manifest} {
		w, err := form.CreateFormFile(part, part)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	form.Close()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/v1/plugins/"+name, &b)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusCreated {
		t.Fatalf("upload: %s %s", resp.Status, text)
	}
}

// problem is what is looked at of an error.
type problem struct {
	Kind, Detail string
	Status       int
	Version      int
	RequestID    string `json:"request_id"`
}

// stream is a batch that is talked with.
type stream struct {
	t         *testing.T
	mediaType string
	input     *io.PipeWriter
	*http.Response
	answers *bufio.Reader
}

// open begins a batch. Headers come in pairs.
func open(t *testing.T, url, plugin, mediaType string, headers ...string) *stream {
	t.Helper()
	body, input := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{t: t, mediaType: mediaType, input: input}
	s.Response = start(ctx, t, url, plugin, mediaType, body, headers...)
	s.answers = bufio.NewReader(s.Body)
	t.Cleanup(func() { cancel(); s.Body.Close() })
	return s
}

// pathOf is a path, or that of something of a plugin.
func pathOf(plugin string) string {
	if strings.HasPrefix(plugin, "/") {
		return plugin
	}
	return "/v1/plugins/" + plugin
}

func start(ctx context.Context, t *testing.T, url, plugin, mediaType string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", url+pathOf(plugin), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// item is an input as it is sent.
func item(mediaType, input string) string {
	if mediaType == ndjson {
		return input + "\n"
	}
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(input)))) + input
}

func (s *stream) send(inputs ...string) {
	s.t.Helper()
	var b strings.Builder
	for _, input := range inputs {
		b.WriteString(item(s.mediaType, input))
	}
	if _, err := io.WriteString(s.input, b.String()); err != nil {
		s.t.Error(err)
	}
}

// next reads an answer. It is io.EOF after the last.
func (s *stream) next() (output string, failed *problem, err error) {
	if s.mediaType == ndjson {
		line, err := s.answers.ReadBytes('\n')
		if err != nil {
			return "", nil, err
		}
		var doc struct {
			Output any
			Error  *problem
		}
		if err := json.Unmarshal(line, &doc); err != nil {
			return "", nil, fmt.Errorf("%q: %w", line, err)
		}
		if doc.Error != nil {
			return "", doc.Error, nil
		}
		return fmt.Sprint(doc.Output), nil, nil
	}
	var head [5]byte
	if _, err := io.ReadFull(s.answers, head[:]); err != nil {
		return "", nil, err
	}
	payload := make([]byte, binary.LittleEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(s.answers, payload); err != nil {
		return "", nil, err
	}
	if head[0] == 0 {
		return string(payload), nil, nil
	}
	if err := json.Unmarshal(payload, &failed); err != nil {
		return "", nil, fmt.Errorf("%q: %w", payload, err)
	}
	if kind := task.Kinds[head[0]-1]; string(kind) != failed.Kind {
		return "", nil, fmt.Errorf("status %d is %s, the problem says %s", head[0], kind, failed.Kind)
	}
	return "", failed, nil
}

// expect reads an answer that must be the given output, or a fault of that kind when it
// begins with a "!".
func (s *stream) expect(want string) *problem {
	s.t.Helper()
	output, failed, err := s.next()
	got := output
	if failed != nil {
		got = "!" + failed.Kind
	}
	if err != nil || got != want {
		s.t.Fatalf("answer %.100q (%+v), %v; want %.100q", got, failed, err, want)
	}
	return failed
}

// expectEnd checks that there is no more.
func (s *stream) expectEnd() {
	s.t.Helper()
	if output, failed, err := s.next(); err != io.EOF {
		s.t.Fatalf("after the last answer: %.100q, %+v, %v", output, failed, err)
	}
}

func both(t *testing.T, test func(t *testing.T, mediaType string)) {
	for _, mediaType := range []string{frames, ndjson} {
		t.Run(mediaType, func(t *testing.T) { test(t, mediaType) })
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// lent is how many instances of a plugin are lent.
func lent(t *testing.T, url, plugin string) int {
	_, answer := do(t, "GET", url+"/v1/plugins/"+plugin, nil)
	var p struct{ Pool struct{ Lent int } }
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		t.Fatal(err)
	}
	return p.Pool.Lent
}

// awaitNothing waits until no stream has a goroutine, and no instance is lent.
func awaitNothing(t *testing.T, url string) {
	t.Helper()
	await(t, "instances to come back", func() bool { return lent(t, url, "obey") == 0 })
	await(t, "goroutines to end", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !bytes.Contains(stacks, []byte("api.(*stream)")) && !bytes.Contains(stacks, []byte("api.(*chunk)"))
	})
}

// writeUntilStuck writes the same chunk again and again until the server takes no more. It
// returns how many were begun, and what is left of the last one.
func writeUntilStuck(t *testing.T, conn net.Conn, chunk string) (begun int, rest string) {
	t.Helper()
	for sent := 0; ; {
		// What a socket takes besides is some megabytes at either end.
		if sent > 64<<20 {
			t.Fatalf("the server took %d bytes and was not read from", sent)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := io.WriteString(conn, chunk)
		sent, begun = sent+n, begun+1
		if err != nil {
			return begun, chunk[n:]
		}
	}
}

// goOn writes the rest of a batch, which ends, and reads the answers.
func goOn(t *testing.T, conn net.Conn, rest, mediaType string) *stream {
	t.Helper()
	_ = conn.SetWriteDeadline(time.Time{})
	go func() { _, _ = io.WriteString(conn, rest+"0\r\n\r\n") }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &stream{t: t, mediaType: mediaType, Response: resp, answers: bufio.NewReader(resp.Body)}
}

// dial begins a batch on a connection of its own.
func dial(t *testing.T, url, path, mediaType string) net.Conn {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", pathOf(path), host, mediaType); err != nil {
		t.Fatal(err)
	}
	return conn
}
