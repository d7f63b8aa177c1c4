package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/cmd/internal/replay"
	"github.com/marketprism/prismrt/sdk/client"
	"github.com/marketprism/prismrt/sdk/sdktest"
)

const (
	sdks   = "../../sdk"
	market = sdks + "/testdata/market"
)

var exchanges = []string{"binance", "okx", "deribit"}

// An example is the sample plugin in some language: the folder sdk/LANGUAGE/examples/normalise or one with
// more to its name, in which make -C sdk/LANGUAGE leaves normalise.wasm.
type example string

// examples returns the sample plugin in every language there is, in Go first, with which the others are compared.
func examples(t *testing.T) []example {
	t.Helper()
	folders, err := filepath.Glob(sdks + "/*/examples/normalise*")
	if err != nil {
		t.Fatal(err)
	}
	all := []example{sdks + "/go/examples/normalise", sdks + "/c/examples/normalise"}
	for _, folder := range folders {
		if e := example(filepath.ToSlash(folder)); !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all
}

func (e example) sdk() string { return strings.Split(string(e), "/")[3] }

// plugin is the name it is pushed under: normalise-go, normalise-cpp-c.
func (e example) plugin() string { return filepath.Base(string(e)) + "-" + e.sdk() }

// module builds the plugin as its authors would. The file is called as the folder is, up to a hyphen.
func (e example) module(t *testing.T) []byte {
	t.Helper()
	name, _, _ := strings.Cut(filepath.Base(string(e)), "-")
	sdk := filepath.Join(sdks, e.sdk())
	file, err := filepath.Rel(sdk, filepath.Join(string(e), name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return sdktest.Make(t, sdk, file)
}

// scripts are the sample plugin in the languages that are not compiled, by their interpreters: what is pushed is a file
// of sdk/scripts.
var scripts = map[string]string{"python": "normalise.py", "javascript": "normalise.js"}

// pushScript installs the interpreter of a language and uploads the sample plugin in it.
func pushScript(t *testing.T, s *server, language, plugin string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(sdks, "scripts", language, scripts[language]))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := s.do("PUT", "/v1/runtimes/"+language, interpreterOf(t, language)); status != http.StatusCreated {
		t.Fatalf("install %s: %d %s", language, status, answer)
	}
	body, contentType := scriptForm(t, string(source), "[limits]\ntimeout = \"30s\"\n")
	path := "/v1/plugins/" + plugin + "?runtime=" + language + "&file=" + scripts[language]
	if status, answer := s.do("PUT", path, body, "Content-Type", contentType); status != http.StatusCreated {
		t.Fatalf("upload of %s: %d %s", plugin, status, answer)
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// normalise sends messages to a plugin, several at a time, and returns its outputs in order.
func normalise(t *testing.T, s *server, plugin string, messages [][]byte) [][]byte {
	t.Helper()
	answers, _ := replay.Run(t.Context(), caller(t, s, plugin), messages, func() {})
	outputs := make([][]byte, len(answers))
	for n, answer := range answers {
		if outputs[n] = answer.Output; answer.Err != nil {
			t.Errorf("%s, message %d: %v\n%.300s", plugin, n, answer.Err, messages[n])
		}
	}
	return outputs
}

// caller returns what calls a plugin.
func caller(t *testing.T, s *server, plugin string) call {
	t.Helper()
	c, err := client.New(s.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, input []byte) (*client.Result, error) {
		return c.Call(ctx, plugin, input, client.CallOptions{})
	}
}

type call = func(context.Context, []byte) (*client.Result, error)

func TestTheSamplePluginDoesTheSameInEveryLanguage(t *testing.T) {
	s := startPatient(t, t.TempDir())
	reference := map[string][][]byte{} // what the recorded messages of each exchange become
	ran := 0
	for _, e := range examples(t) {
		t.Run(e.plugin(), func(t *testing.T) {
			s.uploadPatient(e.plugin(), e.module(t))
			theSampleComesOutAsItIsKept(t, s, e.plugin())
			refusalsSayWhatIsKept(t, s, e.plugin(), func(r refusal, detail string) bool { return detail == r.failure })
			recordedMessagesComeOutTheSame(t, s, e.plugin(), reference)
			ran++
		})
	}
	for language := range scripts {
		plugin := "normalise-" + language
		t.Run(plugin, func(t *testing.T) {
			pushScript(t, s, language, plugin)
			theSampleComesOutAsItIsKept(t, s, plugin)
			refusalsSayWhatIsKept(t, s, plugin, saysInAScript)
			recordedMessagesComeOutTheSame(t, s, plugin, reference)
			ran++
		})
	}
	_, stats := s.do("GET", "/v1/stats", nil)
	if faults := fmt.Sprintf(`"guest":%d`, len(refusals(t))); strings.Count(string(stats), faults) != ran {
		t.Errorf("stats do not count %s for each of %d: %s", faults, ran, stats)
	}
}

func TestTypedJSONInAssemblyScript(t *testing.T) {
	s := start(t, t.TempDir())
	s.uploadPatient("quote", example(sdks+"/assemblyscript/examples/quote").module(t))
	const order = `{"symbol":"SOLEUR","quantity":4,"prices":[1.5,2]}`
	if status, answer := s.do("POST", "/v1/plugins/quote/invoke", []byte(order)); status != http.StatusOK || string(answer) != `{"symbol":"SOLEUR","cost":14,"currency":"EUR"}` {
		t.Errorf("%s became %d %s", order, status, answer)
	}
	s.fails(422, "guest", "quantity must be above 0", "POST", "/v1/plugins/quote/invoke", []byte(`{"symbol":"SOLEUR"}`))
	s.fails(422, "trap", "Incomplete or unterminated JSON value at ~lib/json-as/", "POST", "/v1/plugins/quote/invoke", []byte("hello"))
}

func theSampleComesOutAsItIsKept(t *testing.T, s *server, plugin string) {
	t.Helper()
	for _, exchange := range exchanges {
		golden, err := os.ReadFile(filepath.Join(market, exchange+".golden.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		got := bytes.Join(normalise(t, s, plugin, messages(t, market, exchange)), nil)
		if !bytes.Equal(got, golden) {
			t.Errorf("%s of %s differs from what is kept:\n%s", exchange, plugin, got)
		}
	}
}

// A refusal is a message and the failure it becomes.
type refusal struct{ message, failure string }

func refusals(t *testing.T) (all []refusal) {
	t.Helper()
	table, err := os.ReadFile(filepath.Join(market, "refusals.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")[1:] {
		message, failure, _ := strings.Cut(row, "\t")
		all = append(all, refusal{message, failure})
	}
	return all
}

// notJSON is what the languages' own readers of JSON say.
var notJSON = regexp.MustCompile(`^(json\.decoder\.JSONDecodeError: |ValueError: not JSON: |SyntaxError: )`)

// saysInAScript tells whether a script refuses a message as it must: in the words that are kept, behind the name of the
// exception, and in those of its language where the message is no JSON.
func saysInAScript(r refusal, detail string) bool {
	if !json.Valid([]byte(r.message)) {
		return notJSON.MatchString(detail)
	}
	return detail == "ValueError: "+r.failure || detail == "Error: "+r.failure
}

func refusalsSayWhatIsKept(t *testing.T, s *server, plugin string, says func(r refusal, detail string) bool) {
	t.Helper()
	all := refusals(t)
	var inputs [][]byte
	for _, r := range all {
		inputs = append(inputs, []byte(r.message))
	}
	answers, _ := replay.Run(t.Context(), caller(t, s, plugin), inputs, func() {})
	for n, answer := range answers {
		var p *client.Problem
		if !errors.As(answer.Err, &p) || p.Status != http.StatusUnprocessableEntity || p.Kind != "guest" || !says(all[n], p.Detail) {
			t.Errorf("%q: %s says %v %s, want %s", all[n].message, plugin, answer.Err, answer.Output, all[n].failure)
		}
	}
}

// recorded is what exchanges sent and what becomes of it, in Go.
var recorded = map[string]struct {
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
}

// recordedMessagesComeOutTheSame compares with the reference. The first plugin is what the next ones are compared
// with: its events are looked at.
func recordedMessagesComeOutTheSame(t *testing.T, s *server, plugin string, reference map[string][][]byte) {
	t.Helper()
	folder := filepath.Join("..", "..", "..", "shared", "data", "market")
	if !isThere(folder) {
		t.Logf("%s is not here: it is kept beside the repository, not in it", folder)
		return
	}
	for _, exchange := range exchanges {
		all := messages(t, folder, exchange)
		events := normalise(t, s, plugin, all)
		if reference[exchange] == nil {
			lookAtEvents(t, exchange, all, events)
			reference[exchange] = events
		}
		for n, want := range reference[exchange] {
			if !bytes.Equal(events[n], want) {
				t.Errorf("%s, message %d:\ngot  %s\nwant %s", exchange, n, events[n], want)
			}
		}
	}
}

// lookAtEvents counts recorded messages and their events, and checks that none is lost.
func lookAtEvents(t *testing.T, exchange string, all, events [][]byte) {
	t.Helper()
	in, out := make(map[string]int), make(map[string]int)
	for n, message := range all {
		in[kind(t, exchange, message)]++
		if len(events[n]) == 0 {
			t.Errorf("%s, message %d is lost: %s", exchange, n, message)
		}
		for line := range bytes.Lines(events[n]) {
			out[checkEvent(t, exchange, line)]++
		}
	}
	if want := recorded[exchange]; !maps.Equal(in, want.in) || !maps.Equal(out, want.out) {
		t.Errorf("%s sent %v, want %v; it came out as %v, want %v", exchange, in, want.in, out, want.out)
	}
}

// messages reads the messages of one exchange.
func messages(t *testing.T, dir, exchange string) [][]byte {
	t.Helper()
	all, err := replay.Messages(filepath.Join(dir, exchange+".ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return all
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
