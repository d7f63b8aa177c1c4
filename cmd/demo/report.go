package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/marketprism/prismrt/cmd/internal/replay"
)

// kind is what an event is: where it happened, and of which type.
type kind struct {
	Exchange string `json:"exchange"`
	Type     string `json:"type"`
}

// amount is how much there was of a kind. A message counts for the kind of its
// first event.
type amount struct{ messages, events, bytesIn, bytesOut int }

// tally is what became of all messages.
type tally struct {
	sent   int
	kinds  map[kind]amount
	faults int // messages that were answered with a fault, or not at all
	lost   int // messages whose answer holds no event

	firstFault error
	firstLost  []byte // the message

	// Of the messages that came through, in rising order.
	latency, pool, run []time.Duration

	exampleIn, exampleOut []byte
}

// count goes through the answers.
func count(messages [][]byte, answers []replay.Answer) tally {
	t := tally{sent: len(messages), kinds: map[kind]amount{}}
	for i, a := range answers {
		if a.Err != nil {
			if t.faults++; t.faults == 1 {
				t.firstFault = a.Err
			}
			continue
		}
		if !t.add(messages[i], a.Output) {
			if t.lost++; t.lost == 1 {
				t.firstLost = messages[i]
			}
			continue
		}
		t.latency = append(t.latency, a.Latency)
		t.pool = append(t.pool, a.Timing["pool"])
		t.run = append(t.run, a.Timing["run"])
	}
	slices.Sort(t.latency)
	slices.Sort(t.pool)
	slices.Sort(t.run)
	return t
}

// add counts the events of one message. It reports false, having counted
// nothing, when the output is not one event or more, each a line of JSON.
func (t *tally) add(message, output []byte) bool {
	type event struct {
		kind kind
		line []byte
	}
	var events []event
	for line := range bytes.Lines(output) {
		var k kind
		if err := json.Unmarshal(line, &k); err != nil || k.Exchange == "" || k.Type == "" {
			return false
		}
		events = append(events, event{k, line})
	}
	if len(events) == 0 {
		return false
	}
	for i, e := range events {
		a := t.kinds[e.kind]
		if i == 0 {
			a.messages++
			a.bytesIn += len(message)
		}
		a.events++
		a.bytesOut += len(e.line)
		t.kinds[e.kind] = a
	}
	// A trade is the event everyone can read; failing that, the first.
	if first := events[0]; t.exampleIn == nil || first.kind.Type == "trade" && !bytes.Contains(t.exampleOut, []byte(`"type":"trade"`)) {
		t.exampleIn, t.exampleOut = message, bytes.TrimSpace(first.line)
	}
	return true
}

// err returns an error unless every message became at least one event.
func (t tally) err() error {
	if t.faults == 0 && t.lost == 0 {
		return nil
	}
	return fmt.Errorf("of %d messages %d faulted and %d came back without an event", t.sent, t.faults, t.lost)
}

// write prints the table, what it cost, and one example.
func (t tally) write(w io.Writer, took time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s", t.table(), t.cost(took))
	if t.faults > 0 {
		fmt.Fprintf(&b, "faults    %d; the first: %v\n", t.faults, t.firstFault)
	}
	if t.lost > 0 {
		fmt.Fprintf(&b, "lost      %d; the first: %s\n", t.lost, shorten(t.firstLost))
	}
	if t.err() == nil {
		fmt.Fprintf(&b, "faults    none; every message became at least one event\n")
	}
	if t.exampleIn != nil {
		fmt.Fprintf(&b, "\nfor example\n  in   %s\n  out  %s\n", shorten(t.exampleIn), t.exampleOut)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table has a row a kind, and the sum below.
func (t tally) table() string {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options.DrawBorder = false
	w.Style().Options.SeparateColumns = false
	w.AppendHeader(table.Row{"exchange", "type", "messages", "events", "bytes in", "bytes out"})
	var columns []table.ColumnConfig
	for number := 3; number <= 6; number++ {
		columns = append(columns, table.ColumnConfig{
			Number: number,
			Align:  text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight,
		})
	}
	w.SetColumnConfigs(columns)
	w.SuppressTrailingSpaces()

	row := func(exchange, typ string, a amount) table.Row {
		return table.Row{exchange, typ, comma(a.messages), comma(a.events), comma(a.bytesIn), comma(a.bytesOut)}
	}
	var kinds []kind
	var all amount
	for k, a := range t.kinds {
		kinds = append(kinds, k)
		all.messages += a.messages
		all.events += a.events
		all.bytesIn += a.bytesIn
		all.bytesOut += a.bytesOut
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.Exchange, b.Exchange), cmp.Compare(a.Type, b.Type))
	})
	for _, k := range kinds {
		w.AppendRow(row(k.Exchange, k.Type, t.kinds[k]))
	}
	w.AppendFooter(row("all", "", all))
	return w.Render()
}

// cost says how fast it went, and where the time went.
func (t tally) cost(took time.Duration) string {
	if len(t.latency) == 0 {
		return ""
	}
	return fmt.Sprintf("calls     %s in %v: %s calls/s\n", comma(len(t.latency)), round(took), comma(int(float64(len(t.latency))/took.Seconds()))) +
		fmt.Sprintf("latency   p50 %v, p99 %v, at the caller\n", round(quantile(t.latency, 0.50)), round(quantile(t.latency, 0.99))) +
		fmt.Sprintf("server    p50 %v waiting for an instance, %v running the plugin\n", round(quantile(t.pool, 0.50)), round(quantile(t.run, 0.50)))
}

// quantile returns the smallest of the sorted values that is not below a share
// q of them (nearest rank).
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// round keeps three digits or so, as many as a single run can mean.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}

func comma(n int) string { return humanize.Comma(int64(n)) }

// shorten returns the beginning of a message that is too long to read.
func shorten(message []byte) string {
	const most = 150
	if runes := []rune(string(message)); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return string(message)
}
