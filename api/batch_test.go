package api_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
)

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
