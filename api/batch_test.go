package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
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

func TestABatchAnswersEachItemInOrder(t *testing.T) {
	url, log := serve(t)
	upload(t, url, "obey", obeying(), "")
	both(t, func(t *testing.T, mediaType string) {
		s := open(t, url, "obey/batch/again", mediaType)
		if s.StatusCode != http.StatusOK || s.Header.Get("Content-Type") != mediaType || s.ContentLength != -1 ||
			!strings.HasPrefix(s.Header.Get("Prism-Version"), "1 ") || len(s.Header.Get("Prism-Request-Id")) != 26 {
			t.Fatalf("%s, headers %v", s.Status, s.Header)
		}
		var want []string
		var body strings.Builder
		for n := range 3000 {
			input := fmt.Sprintf("input %d of %s", n, strings.Repeat("-", rand.IntN(900)))
			answer := input
			switch rand.IntN(20) {
			case 0:
				input, answer = "trap", "!trap"
			case 1:
				input, answer = "fail", "!guest"
			case 2:
				input, answer = strings.Repeat("large", 1000), "!too_large"
			case 3:
				input = "w" + input
				answer = input
			case 4:
				input, answer = "x", "" // which is long
			}
			want = append(want, answer)
			body.WriteString(item(mediaType, input))
		}
		go func() {
			for rest := []byte(body.String()); len(rest) > 0; {
				n, err := s.input.Write(rest[:min(len(rest), 1+rand.IntN(20_000))])
				if err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
			s.input.Close()
		}()
		for n, answer := range want {
			if answer == "" {
				output, failed, err := s.next()
				if len(output) != 60_000 || failed != nil || err != nil {
					t.Fatalf("answer %d: %d bytes, %v, %v", n+1, len(output), failed, err)
				}
				continue
			}
			failed := s.expect(answer)
			if failed != nil && failed.RequestID != fmt.Sprintf("%s-%d", s.Header.Get("Prism-Request-Id"), n+1) {
				t.Fatalf("the problem of item %d has the request id %s", n+1, failed.RequestID)
			}
			if failed != nil && failed.Kind == "trap" && (failed.Version != 1 || failed.Status != 422) {
				t.Errorf("problem %+v", failed)
			}
		}
		s.expectEnd()
		if s.Trailer.Get("Prism-Fuel") == "" || s.Trailer.Get("Prism-Fuel") == "0" {
			t.Errorf("trailer %v", s.Trailer)
		}
	})
	awaitNothing(t, url)
	if log.Len() > 0 {
		t.Errorf("the server complained:\n%s", log)
	}
}

func TestABatchAnswersBeforeItHasAllOfItsBody(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	both(t, func(t *testing.T, mediaType string) {
		s := open(t, url, "obey/batch", mediaType)
		for n := range 500 {
			input := fmt.Sprint("ping ", n)
			s.send(input)
			s.expect(input)
		}
		s.send("a", "b", "c")
		for _, want := range []string{"a", "b", "c"} {
			s.expect(want)
		}
		s.input.Close()
		s.expectEnd()
	})
}

// The answers before a slow one are not kept back, although they came together.
func TestASlowItemDoesNotHoldBackThoseBeforeIt(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	s := open(t, url, "obey/batch", frames)
	many := slices.Repeat([]string{"quick"}, 1000)
	s.send(many...) // from which the stream learns that calls are short
	for range many {
		s.expect("quick")
	}
	begun := time.Now()
	s.send(append(many[:10:10], "spin")...)
	for range 10 {
		s.expect("quick")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("that took %v: they waited for the slow one to reach its deadline", took)
	}
}

func TestWhereABatchEndsIsTold(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	huge := "\xff\xff\xff\xff"
	for name, c := range map[string]struct {
		mediaType, body string
		want            []string
		says            string // the last of them
	}{
		"nothing":                     {mediaType: frames},
		"no line":                     {mediaType: ndjson},
		"blank lines":                 {mediaType: ndjson, body: "\n\r\n \t\n"},
		"CRLF":                        {ndjson, "{\"a\":1}\r\n\r\nb\r\n", []string{"map[a:1]", "b"}, ""},
		"no line feed at the end":     {ndjson, "a\nb", []string{"a", "b"}, ""},
		"an empty frame":              {frames, item(frames, "") + item(frames, "b"), []string{"", "b"}, ""},
		"half a frame":                {frames, item(frames, "a") + item(frames, "bcd")[:5], []string{"a", "!invalid"}, "2 of the 3 bytes of a frame"},
		"half a length":               {frames, item(frames, "a") + "\x01\x00", []string{"a", "!invalid"}, "2 of the 4 bytes of a length"},
		"half a large frame":          {frames, item(frames, "a") + "\x00\x00\x10\x00" + "b", []string{"a", "!invalid"}, "of the 1048576 bytes of a frame"},
		"a large frame":               {frames, item(frames, strings.Repeat("a", 1<<20)) + item(frames, "b"), []string{"!too_large", "b"}, ""},
		"a large line":                {ndjson, strings.Repeat("a", 1<<20) + "\nb", []string{"!too_large", "b"}, ""},
		"a large line at the end":     {ndjson, "a\n" + strings.Repeat("b", 1025), []string{"a", "!too_large"}, "limits.input, which is 1KiB"},
		"just large enough, CRLF":     {ndjson, strings.Repeat("a", 1024) + "\r\n", []string{strings.Repeat("a", 1024)}, ""},
		"a huge frame":                {frames, item(frames, "a") + huge + "b", []string{"a", "!too_large"}, "what comes after it is not run"},
		"a huge frame, and much more": {frames, item(frames, "a") + huge + strings.Repeat("b", 1<<20), []string{"a", "!too_large"}, "what comes after it is not run"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sized := range []bool{true, false} {
				var body io.Reader = strings.NewReader(c.body)
				if !sized {
					body = io.MultiReader(body)
				}
				s := &stream{t: t, mediaType: c.mediaType, Response: start(t.Context(), t, url, "obey/batch", c.mediaType, body)}
				defer s.Body.Close()
				s.answers = bufio.NewReader(s.Body)
				for n, want := range c.want {
					failed := s.expect(want)
					if n == len(c.want)-1 && failed != nil && !strings.Contains(failed.Detail, c.says) {
						t.Errorf("it says %q", failed.Detail)
					}
				}
				s.expectEnd()
			}
		})
	}
}

func TestAClientThatDoesNotReadIsNotReadFrom(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	conn := dial(t, url, "obey/batch", frames)
	many := strings.Repeat(item(frames, strings.Repeat("-", 1000)), 65)
	piece := fmt.Sprintf("%x\r\n%s\r\n", len(many), many)
	pieces, rest := writeUntilStuck(t, conn, piece)
	await(t, "instances to come back", func() bool { return lent(t, url, "obey") == 0 })

	s := goOn(t, conn, rest, frames)
	for range 65 * pieces {
		s.expect(strings.Repeat("-", 1000))
	}
	s.expectEnd()
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

func TestAClientThatDisconnectsFreesEverything(t *testing.T) {
	url, log := serve(t)
	upload(t, url, "obey", obeying(), "")
	spin := strings.Repeat(item(frames, "spin"), 200)
	quick := strings.Repeat(item(frames, "quick"), 200)
	for name, body := range map[string]string{
		"in the middle of its body": fmt.Sprintf("%x\r\n%s\r\n", len(spin), spin),
		"after its body":            fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(spin), spin),
		"without an answer to take": fmt.Sprintf("%x\r\n%s%s\r\n", len(spin)+len(quick), quick, spin),
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, url, "obey/batch", frames)
			if _, err := io.WriteString(conn, body); err != nil {
				t.Fatal(err)
			}
			await(t, "guests to run", func() bool { return lent(t, url, "obey") > 0 })
			conn.Close()
			begun := time.Now()
			awaitNothing(t, url)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("that took %v: guests ended at their own deadlines", took)
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("the server complained:\n%s", log)
	}
}

func TestASilentClientIsGivenUp(t *testing.T) {
	url, _ := serve(t, func(o *api.Options) { o.BodyTimeout = 50 * time.Millisecond })
	upload(t, url, "obey", obeying(), "[limits]\ntimeout = \"50ms\"\n")
	both(t, func(t *testing.T, mediaType string) {
		s := open(t, url, "obey/batch", mediaType)
		s.send("a")
		s.expect("a")
		_, _ = io.WriteString(s.input, "\x01")
		if failed := s.expect("!invalid"); !strings.Contains(failed.Detail, "did not come in time") || failed.Status != http.StatusRequestTimeout {
			t.Errorf("it is told %+v", failed)
		}
		if _, _, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("what it got is not all, and it ends with %v", err)
		}
	})
	awaitNothing(t, url)
}

func TestABodyThatIsNotHTTPEndsWithAnError(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	conn := dial(t, url, "obey/batch", ndjson)
	if _, err := io.WriteString(conn, "4\r\na\nb\n\r\nno length\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, mediaType: ndjson, Response: resp, answers: bufio.NewReader(resp.Body)}
	s.expect("a")
	s.expect("b")
	s.expect("!invalid")
	if _, _, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ends with %v", err)
	}
	awaitNothing(t, url)
}

func TestATimeoutIsOfAnItem(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	s := open(t, url, "obey/batch", frames, "Prism-Timeout", "20ms")
	s.send("a", "spin", "b", "spin", "c")
	s.input.Close()
	for _, want := range []string{"a", "!deadline", "b", "!deadline", "c"} {
		if failed := s.expect(want); failed != nil && !strings.Contains(failed.Detail, "20ms") {
			t.Errorf("it says %q", failed.Detail)
		}
	}
	s.expectEnd()
}

func TestAVersionUploadedMeanwhileAnswersTheNextItems(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "tell", telling(1), "")
	s := open(t, url, "tell/batch", frames)
	for number := 1; number < 5; number++ {
		s.send("", "")
		s.expect(fmt.Sprintf("%04d", number))
		s.expect(fmt.Sprintf("%04d", number))
		upload(t, url, "tell", telling(number+1), "")
	}
	if status, answer := do(t, "DELETE", url+"/v1/plugins/tell", nil); status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", status, answer)
	}
	s.send("")
	s.expect("!not_found")
	s.input.Close()
	s.expectEnd()
}

func TestABatchThatCannotBeIsRefusedBeforeItsBody(t *testing.T) {
	url, _ := serve(t)
	upload(t, url, "obey", obeying(), "")
	for name, c := range map[string]struct {
		path, mediaType, timeout string
		status                   int
		kind, says               string
	}{
		"media type":    {"obey/batch", "application/json", "", 415, "invalid", "application/vnd.prism.frames or application/x-ndjson"},
		"no media type": {"obey/batch", "", "", 415, "invalid", "application/x-ndjson"},
		"plugin":        {"absent/batch", ndjson, "", 404, "not_found", `no plugin "absent"`},
		"function":      {"obey/batch/absent", ndjson, "", 404, "not_found", "it has handle, again"},
		"timeout":       {"obey/batch", ndjson, "soon", 400, "invalid", "Prism-Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			body, input := io.Pipe() // of which nothing ever comes
			defer input.Close()
			begun := time.Now()
			resp := start(t.Context(), t, url, c.path, c.mediaType, body, "Prism-Timeout", c.timeout)
			defer resp.Body.Close()
			var p problem
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != c.status || p.Kind != c.kind || !strings.Contains(p.Detail, c.says) {
				t.Errorf("%s %+v, %v", resp.Status, p, err)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("that took %v: the body was waited for", took)
			}
		})
	}
}
