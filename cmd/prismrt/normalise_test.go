package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The sample plugin in each language, as it is built by hand.
func normaliseGo(t *testing.T) []byte {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(path), "normalise.wasm")
	return build(t, file, wasip1, "go", "build", "-C", "../../sdk/go", "-trimpath", "-buildmode=c-shared", "-o", file, "./examples/normalise")
}

func normaliseC(t *testing.T) []byte {
	return build(t, "../../sdk/c/examples/normalise/normalise.wasm", nil, "make", "-C", "../../sdk/c")
}

// messages reads the messages of one exchange, one a line.
func messages(t *testing.T, dir, exchange string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, exchange+".ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

// kind tells what an exchange's message is, from the message alone.
func kind(t *testing.T, exchange string, message []byte) string {
	t.Helper()
	var m struct {
		Stream string
		Arg    struct{ Channel string }
		Params struct{ Channel string }
	}
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	switch exchange {
	case "binance":
		_, stream, _ := strings.Cut(m.Stream, "@")
		stream, _, _ = strings.Cut(stream, "@")
		stream, _, _ = strings.Cut(stream, "_")
		return stream
	case "okx":
		return m.Arg.Channel
	}
	channel, _, _ := strings.Cut(m.Params.Channel, ".")
	return channel
}

// normalise sends messages to a plugin, eight at a time, and returns the answers
// in order.
func normalise(t *testing.T, s *server, plugin string, messages [][]byte) [][]byte {
	t.Helper()
	answers := make([][]byte, len(messages))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for n := range next {
				status, answer := s.do("POST", "/v1/plugins/"+plugin+"/invoke", messages[n])
				if status != http.StatusOK {
					t.Errorf("%s, message %d: %d %s\n%.300s", plugin, n, status, answer, messages[n])
				}
				answers[n] = answer
			}
		})
	}
	for n := range messages {
		next <- n
	}
	close(next)
	wg.Wait()
	return answers
}

func TestRecordedMessagesComeOutTheSameFromGoAndC(t *testing.T) {
	recorded := filepath.Join("..", "..", "..", "shared", "data", "market")
	if _, err := os.Stat(recorded); err != nil {
		t.Skipf("%s is not here: it is kept beside the repository, not in it", recorded)
	}
	s := start(t, t.TempDir())
	s.uploadPatient("normalise-go", normaliseGo(t))
	s.uploadPatient("normalise-c", normaliseC(t))

	total := 0
	for exchange, want := range map[string]struct {
		in, out map[string]int // messages by what they are, events by type
	}{
		"binance": {
			in:  map[string]int{"depth": 177, "bookTicker": 84, "aggTrade": 2, "kline": 2},
			out: map[string]int{"book": 177, "ticker": 84, "trade": 2, "candle": 2},
		},
		"okx": { // the channels' subscription answers included: 9, 6 and 3
			in:  map[string]int{"tickers": 37, "trades": 80, "books": 293},
			out: map[string]int{"ticker": 28, "trade": 74, "book": 290, "status": 18},
		},
		"deribit": {
			in:  map[string]int{"ticker": 89, "book": 46, "": 1},
			out: map[string]int{"ticker": 89, "book": 46, "status": 1},
		},
	} {
		all := messages(t, recorded, exchange)
		total += len(all)
		in := make(map[string]int)
		for _, m := range all {
			in[kind(t, exchange, m)]++
		}
		if !maps.Equal(in, want.in) {
			t.Errorf("%s sent %v, want %v", exchange, in, want.in)
		}
		fromGo, fromC := normalise(t, s, "normalise-go", all), normalise(t, s, "normalise-c", all)
		out := make(map[string]int)
		for n, events := range fromGo {
			if !bytes.Equal(events, fromC[n]) {
				t.Errorf("%s, message %d:\nGo %s\nC  %s", exchange, n, events, fromC[n])
			}
			if len(events) == 0 {
				t.Errorf("%s, message %d is lost: %s", exchange, n, all[n])
			}
			for line := range bytes.Lines(events) {
				out[checkEvent(t, exchange, line)]++
			}
		}
		if !maps.Equal(out, want.out) {
			t.Errorf("%s came out as %v, want %v", exchange, out, want.out)
		}
	}
	if total != 811 {
		t.Errorf("%d messages, want 811", total)
	}
}

// checkEvent looks at what every event must have and returns its type.
func checkEvent(t *testing.T, exchange string, line []byte) string {
	t.Helper()
	var e struct {
		Exchange, Type string
		Symbol         *string
		TS             *int64 `json:"ts_ms"`
	}
	if err := json.Unmarshal(line, &e); err != nil || e.Exchange != exchange {
		t.Errorf("event %s: %v", line, err)
	}
	if e.Type != "status" && (e.Symbol == nil || *e.Symbol == "") {
		t.Errorf("event without a symbol: %s", line)
	}
	return e.Type
}

func TestTheSampleComesOutAsItIsKept(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("normalise-go", normaliseGo(t))
	s.uploadPatient("normalise-c", normaliseC(t))
	const sample = "../../sdk/testdata/market"
	for _, exchange := range []string{"binance", "okx", "deribit"} {
		golden, err := os.ReadFile(filepath.Join(sample, exchange+".golden.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		for _, plugin := range []string{"normalise-go", "normalise-c"} {
			got := bytes.Join(normalise(t, s, plugin, messages(t, sample, exchange)), nil)
			if !bytes.Equal(got, golden) {
				t.Errorf("%s of %s differs from what is kept", exchange, plugin)
			}
		}
	}
}

func TestMessagesOfAnotherShapeAreTheGuestsFault(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("normalise-go", normaliseGo(t))
	s.uploadPatient("normalise-c", normaliseC(t))
	for _, message := range []string{
		"", "hello", "[]", "{}", `{"stream":"x@depth","data":{"e":"depthUpdate"}}`, `{"arg":{"channel":"funding-rate"},"data":[{}]}`,
		`{"stream":"x@bookTicker","data":{"u":1,"s":"X","b":"cheap","B":"1","a":"1","A":"1"}}`,
	} {
		var said []string
		for _, plugin := range []string{"normalise-go", "normalise-c"} {
			p := s.fails(422, "guest", "", "POST", "/v1/plugins/"+plugin+"/invoke", []byte(message))
			said = append(said, p.Detail)
		}
		if said[0] == "" || said[0] != said[1] {
			t.Errorf("%q: Go says %q, C says %q", message, said[0], said[1])
		}
	}
	_, stats := s.do("GET", "/v1/stats", nil)
	if want := fmt.Sprintf(`"guest":%d`, 7); strings.Count(string(stats), want) != 2 {
		t.Errorf("stats do not count %s for each: %s", want, stats)
	}
}
