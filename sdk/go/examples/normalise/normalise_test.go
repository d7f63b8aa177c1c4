package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/sdk/go/prismtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples is shared with the same plugin in C.
const samples = "../../../testdata/market"

var exchanges = []string{"binance", "okx", "deribit"}

func TestSampleMessagesBecomeTheGoldenEvents(t *testing.T) {
	for _, exchange := range exchanges {
		t.Run(exchange, func(t *testing.T) {
			var got []byte
			for _, message := range lines(t, filepath.Join(samples, exchange+".ndjson")) {
				got = append(got, events(t, message)...)
			}
			golden := filepath.Join(samples, exchange+".golden.ndjson")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
			for i := range max(len(gotLines), len(wantLines)) {
				g, w := at(gotLines, i), at(wantLines, i)
				if g != w {
					t.Fatalf("%s:%d:\n got %s\nwant %s", golden, i+1, g, w)
				}
			}
		})
	}
}

func TestRefusalsSayWhatWasExpectedAndWhere(t *testing.T) {
	for _, row := range lines(t, filepath.Join(samples, "refusals.tsv"))[1:] {
		message, want, _ := strings.Cut(row, "\t")
		got := prismtest.Call(normalise, []byte(message))
		if got.Err == nil || got.Err.Error() != want {
			t.Errorf("%s\n got %v, output %q\nwant %s", message, got.Err, got.Output, want)
		}
	}
}

func TestRefusalsOfWhatATableCannotHold(t *testing.T) {
	for name, test := range map[string]struct{ message, want string }{
		"control character":       {"{\"e\":\"a\nb\"}", "not JSON: unexpected byte at offset 7"},
		"zero byte in a string":   {"{\"e\":\"a\x00b\"}", "not JSON: unexpected byte at offset 7"},
		"zero byte at the end":    {"{\"e\":1}\x00", "not JSON: unexpected byte at offset 7"},
		"not UTF-8":               {"{\"e\":\"\xc3\x28\"}", "not JSON: not UTF-8 at offset 6"},
		"overlong UTF-8":          {"{\"e\":\"\xc0\xaf\"}", "not JSON: not UTF-8 at offset 6"},
		"surrogate in UTF-8":      {"{\"e\":\"\xed\xa0\x80\"}", "not JSON: not UTF-8 at offset 6"},
		"beyond the last rune":    {"{\"e\":\"\xf4\x90\x80\x80\"}", "not JSON: not UTF-8 at offset 6"},
		"cut inside a character":  {"{\"e\":\"\xe2\x82", "not JSON: not UTF-8 at offset 6"},
		"byte order mark":         {"\ufeff{}", "not a JSON object"},
		"65 levels":               {`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "not JSON: nested deeper than 64 levels at offset 68"},
		"64 levels":               {`{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`, `unknown message: no "stream", "arg" or "jsonrpc" field`},
		"a million open brackets": {`{"a":` + strings.Repeat("[", 1_000_000), "not JSON: nested deeper than 64 levels at offset 68"},
		"excerpt between characters": {
			`{"e":"` + strings.Repeat("€", 20) + `"}`,
			`binance: unknown event "` + strings.Repeat("€", 13) + "...",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := prismtest.Call(normalise, []byte(test.message))
			if got.Err == nil || got.Err.Error() != test.want {
				t.Errorf("got %v\nwant %s", got.Err, test.want)
			}
		})
	}
}

func TestWhiteSpaceDoesNotMatter(t *testing.T) {
	plain := events(t, `{"e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"b":[["1","2"],["3","4"]],"a":[]}`)
	spaced := events(t, " \r\n{ \"e\" :\t\"depthUpdate\" , \"E\" : 1 ,\"s\":\"A\",\"U\":1,\"u\":2,"+
		"\"b\" : [ [ \"1\" , \"2\" ] , [\"3\",\"4\"] ] , \"a\" : [ ] } \n")
	if !bytes.Equal(plain, spaced) {
		t.Errorf("without %s\nwith    %s", plain, spaced)
	}
}

func TestKeysDifferByCase(t *testing.T) {
	got := events(t, `{"e":"depthUpdate","E":1,"s":"A","U":10,"u":20,"b":[],"a":[]}`)
	if !strings.Contains(string(got), `"first_seq":10,"last_seq":20`) {
		t.Errorf("%s", got)
	}
}

func TestLastOfTwoEqualKeysCounts(t *testing.T) {
	got := events(t, `{"e":"kline","e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"\u0075":3,"b":[],"a":[]}`)
	if !strings.Contains(string(got), `"last_seq":3`) {
		t.Errorf("%s", got)
	}
}

func TestEscapesOfNamesAreKept(t *testing.T) {
	got := events(t, `{"s":"\"A\\\u00e9é\ud83d\ude00","b":"1","B":"2","a":"3","A":"4"}`)
	if !strings.Contains(string(got), `"symbol":"\"A\\\u00e9é\ud83d\ude00"`) {
		t.Errorf("%s", got)
	}
}

func TestPlainDecimalIsExact(t *testing.T) {
	for text, want := range map[string]string{
		"4714.0":      "4714.0",
		"0.00000000":  "0.00000000",
		"-0":          "-0",
		"1e-06":       "0.000001",
		"1E6":         "1000000",
		"1e+2":        "100",
		"1.5e0":       "1.5",
		"1.50e2":      "150",
		"1.50e1":      "15.0",
		"1.50e3":      "1500",
		"-12.5e-3":    "-0.0125",
		"-12.5e-1":    "-1.25",
		"0e5":         "0",
		"0.0e-1":      "0.00",
		"0.05e1":      "0.5",
		"0.05e2":      "5",
		"0.05e4":      "500",
		"1e000000002": "100",
		"1e400":       "1" + strings.Repeat("0", 400),
		"1e-400":      "0." + strings.Repeat("0", 399) + "1",
		"123456789012345678901234567890.12345678901234567890e-10": "12345678901234567890.123456789012345678901234567890",

		"1e401": "", "1e-401": "", "1e99999999999999999999": "",
		"": "", "-": "", ".5": "", "5.": "", "05": "", "+5": "", "1e": "", "1e+-2": "", "e5": "", " 1": "", "1 ": "", "0x1": "", "1_0": "", "Infinity": "", "1,5": "",
	} {
		if got := plainDecimal(text); got != want {
			t.Errorf("plainDecimal(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestIntegersHave64Bits(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-1": true, "1701000000105": true, "9223372036854775807": true, "-9223372036854775807": true,
		"": false, "-": false, "-0": false, "00": false, "01": false, "-01": false, "1.0": false, "1e3": false, "+1": false,
		"9223372036854775808": false, "10000000000000000000": false, "1a": false, "--1": false,
	} {
		if got := isInteger(text); got != want {
			t.Errorf("isInteger(%q) = %v", text, got)
		}
	}
}

func TestMillisecondsAreTruncated(t *testing.T) {
	for microseconds, want := range map[string]string{
		"1626993723847561": "1626993723847", "999": "0", "1000": "1", "0": "0", "-999": "0", "-1999": "-1", "": "",
	} {
		if got := milliseconds(microseconds); got != want {
			t.Errorf("milliseconds(%q) = %q, want %q", microseconds, got, want)
		}
	}
}

// TestRecordingBecomesEvents reads 811 messages as the exchanges sent them, which are kept beside the
// repository and not in it.
func TestRecordingBecomesEvents(t *testing.T) {
	recording := findRecording(t)
	want := map[string]map[string]int{
		"binance": {"book": 177, "ticker": 84, "trade": 2, "candle": 2},
		"okx": {
			"ticker": 28, "status tickers": 9, "trade": 74, "status trades": 6,
			"book": 290, "status books": 3,
		},
		"deribit": {"ticker": 89, "book": 46, "status trades": 1},
	}
	for _, exchange := range exchanges {
		t.Run(exchange, func(t *testing.T) {
			got := map[string]int{}
			for i, message := range lines(t, filepath.Join(recording, exchange+".ndjson")) {
				result := prismtest.Call(normalise, []byte(message))
				if result.Err != nil {
					t.Fatalf("message %d: %v", i+1, result.Err)
				}
				for _, line := range splitEvents(t, result.Output) {
					got[kind(t, line)]++
				}
			}
			if !maps.Equal(got, want[exchange]) {
				t.Errorf("events %v, want %v", got, want[exchange])
			}
		})
	}
}

// kind is an event's type and, of a status, the first word of its first channel.
func kind(t *testing.T, line []byte) string {
	t.Helper()
	var event struct {
		Type     string
		Channels []string
	}
	if err := json.Unmarshal(line, &event); err != nil {
		t.Fatal(err)
	}
	if len(event.Channels) == 0 {
		return event.Type
	}
	word, _, _ := strings.Cut(event.Channels[0], ".")
	return event.Type + " " + word
}

func FuzzNormalise(f *testing.F) {
	for _, exchange := range exchanges {
		for _, message := range lines(f, filepath.Join(samples, exchange+".ndjson")) {
			f.Add([]byte(message))
		}
	}
	for _, row := range lines(f, filepath.Join(samples, "refusals.tsv"))[1:] {
		message, _, _ := strings.Cut(row, "\t")
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := prismtest.Call(normalise, in)
		if got.Err != nil {
			failure := got.Err.Error()
			if failure == "" {
				t.Error("a failure without a message")
			}
			grammar := strings.HasPrefix(failure, "not JSON: unexpected") || strings.HasPrefix(failure, "not JSON: cut")
			if grammar && json.Valid(in) {
				t.Errorf("%q is JSON and was refused: %s", in, failure)
			}
			return
		}
		if !json.Valid(in) {
			t.Errorf("%q is not JSON and was taken", in)
		}
		for _, line := range splitEvents(t, got.Output) {
			checkEvent(t, line)
		}
	})
}

// fields are the keys of each type of event, in order, after exchange, type, symbol and ts_ms.
var fields = map[string][]string{
	"trade": {"id", "price", "size", "side"},
	"ticker": {
		"bid", "bid_size", "ask", "ask_size", "last", "last_size",
		"open_24h", "high_24h", "low_24h", "volume_24h", "mark", "index", "open_interest",
	},
	"book": {"action", "first_seq", "last_seq", "bids", "asks"},
	"candle": {
		"interval", "open_ms", "close_ms", "open", "high", "low", "close",
		"volume", "quote_volume", "trades", "closed",
	},
	"status": {"event", "channels", "code", "message"},
}

func checkEvent(t *testing.T, line []byte) {
	t.Helper()
	if !json.Valid(line) {
		t.Fatalf("not JSON: %q", line)
	}
	var event struct{ Type string }
	if err := json.Unmarshal(line, &event); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"exchange", "type", "symbol", "ts_ms"}, fields[event.Type]...)
	decoder := json.NewDecoder(bytes.NewReader(line))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for _, key := range want {
		got, err := decoder.Token()
		if err != nil || got != key {
			t.Fatalf("key %v (%v), want %s, in %s", got, err, key, line)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	if decoder.More() {
		t.Fatalf("more keys than %v in %s", want, line)
	}
}

// events normalises a message that must be understood.
func events(t *testing.T, message string) []byte {
	t.Helper()
	result := prismtest.Call(normalise, []byte(message))
	if result.Err != nil {
		t.Fatalf("%v, of %s", result.Err, message)
	}
	for _, line := range splitEvents(t, result.Output) {
		checkEvent(t, line)
	}
	return result.Output
}

// splitEvents returns the events of one output, of which there must be one at least.
func splitEvents(t *testing.T, output []byte) [][]byte {
	t.Helper()
	body, ended := bytes.CutSuffix(output, []byte("\n"))
	if !ended {
		t.Fatalf("output does not end with a newline: %q", output)
	}
	return bytes.Split(body, []byte("\n"))
}

func lines(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "no line"
}

// findRecording looks for shared/data/market in this directory and those above it.
func findRecording(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		recording := filepath.Join(dir, "shared", "data", "market")
		if _, err := os.Stat(recording); err == nil {
			return recording
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skip("no recorded messages: there is no shared/data/market in this directory or above it")
		}
		dir = parent
	}
}
