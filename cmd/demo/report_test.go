package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/replay"
	"github.com/marketprism/prismrt/sdk/client"
)

const (
	trade  = `{"exchange":"okx","type":"trade","price":"1"}` + "\n"
	book   = `{"exchange":"binance","type":"book"}` + "\n"
	ticker = `{"exchange":"binance","type":"ticker"}` + "\n"
)

func TestCountingTellsEventsFaultsAndLostMessagesApart(t *testing.T) {
	messages := [][]byte{[]byte("one"), []byte("three"), []byte("b"), []byte("none"), []byte("text"), []byte("half"), []byte("bad"), []byte("worse")}
	first := errors.New("guest: no price")
	got := count(messages, []replay.Answer{
		{Output: []byte(trade)},
		{Output: []byte(trade + trade + ticker)}, // counts as one message, of trades
		{Output: []byte(book)},
		{Output: nil},
		{Output: []byte("hello\n")},
		{Output: []byte(trade + `{"exchange":"okx"}`)},
		{Err: first},
		{Err: errors.New("guest: another")},
	})
	for k, want := range map[kind]amount{
		{"okx", "trade"}:      {messages: 2, events: 3, bytesIn: 8, bytesOut: 3 * len(trade)},
		{"binance", "ticker"}: {messages: 0, events: 1, bytesIn: 0, bytesOut: len(ticker)},
		{"binance", "book"}:   {messages: 1, events: 1, bytesIn: 1, bytesOut: len(book)},
	} {
		if got.kinds[k] != want {
			t.Errorf("%v: %+v, want %+v", k, got.kinds[k], want)
		}
	}
	if len(got.kinds) != 3 {
		t.Errorf("%d kinds: %v", len(got.kinds), got.kinds)
	}
	if got.sent != 8 || got.faults != 2 || got.lost != 3 || !errors.Is(got.firstFault, first) || string(got.firstLost) != "none" {
		t.Errorf("the tally is %+v", got)
	}
	if err := got.err(); err == nil || err.Error() != "of 8 messages 2 faulted and 3 came back without an event" {
		t.Errorf("err() = %v", err)
	}
	if len(got.latency) != 3 || len(got.pool) != 3 || len(got.run) != 3 {
		t.Errorf("times of %d, %d, %d messages, want those of the 3 that came through", len(got.latency), len(got.pool), len(got.run))
	}
}

func TestOnlyAFlawlessRunIsNoError(t *testing.T) {
	one := [][]byte{[]byte("m")}
	if err := count(one, []replay.Answer{{Output: []byte(book)}}).err(); err != nil {
		t.Errorf("a flawless run: %v", err)
	}
	if count(one, []replay.Answer{{Output: nil}}).err() == nil {
		t.Error("a lost message went unnoticed")
	}
	if count(one, []replay.Answer{{Err: errors.New("x")}}).err() == nil {
		t.Error("a fault went unnoticed")
	}
}

func TestTheReportIsWhatAPersonReads(t *testing.T) {
	var messages [][]byte
	var answers []replay.Answer
	for i := range 100 {
		output := book
		if i == 50 {
			output = trade
		}
		messages = append(messages, []byte(strings.Repeat("é", 160)))
		answers = append(answers, replay.Answer{
			Output:  []byte(output),
			Latency: time.Duration(100-i) * time.Millisecond, // 1 to 100, the slowest first
			Timing:  client.Timing{"pool": time.Duration(i+1) * time.Microsecond, "run": 1500 * time.Microsecond},
		})
	}
	var b strings.Builder
	if err := count(messages, answers).write(&b, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	const want = "" +
		" EXCHANGE  TYPE   MESSAGES  EVENTS  BYTES IN  BYTES OUT\n" +
		"────────────────────────────────────────────────────────\n" +
		" binance   book         99      99    31,680      3,663\n" +
		" okx       trade         1       1       320         46\n" +
		"────────────────────────────────────────────────────────\n" +
		" ALL                   100     100    32,000      3,709\n" +
		"\n" +
		"calls     100 in 2s: 50 calls/s\n" +
		"latency   p50 50ms, p99 99ms, at the caller\n" +
		"server    p50 50µs waiting for an instance, 1.5ms running the plugin\n" +
		"faults    none; every message became at least one event\n" +
		"\n" +
		"for example\n"
	if got, _, _ := strings.Cut(b.String(), "  in "); got != want {
		t.Errorf("the report is\n%swant\n%s", got, want)
	}
	if example := "  in   " + strings.Repeat("é", 150) + "...\n  out  " + trade; !strings.HasSuffix(b.String(), example) {
		t.Errorf("the example is\n%s", b.String())
	}
}

func TestAReportOfNothingButFaultsNamesTheFirst(t *testing.T) {
	var b strings.Builder
	if err := count([][]byte{[]byte("m"), []byte("n")}, []replay.Answer{{Err: errors.New("guest: no price")}, {Output: []byte("?")}}).write(&b, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"faults    1; the first: guest: no price\n", "lost      1; the first: n\n"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is missing in\n%s", part, b.String())
		}
	}
	if strings.Contains(b.String(), "none") || strings.Contains(b.String(), "p99") {
		t.Errorf("it claims what was not seen:\n%s", b.String())
	}
}

func TestQuantilesAreValuesThatWereSeen(t *testing.T) {
	three := []time.Duration{1, 2, 10}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 2, 0.99: 10, 1: 10} {
		if got := quantile(three, q); got != want {
			t.Errorf("quantile(%v) = %d, want %d", q, got, want)
		}
	}
	if got := quantile([]time.Duration{7}, 0.5); got != 7 {
		t.Errorf("of one value it is %d", got)
	}
}
