// Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one
// common shape, whichever exchange it came from.
//
// The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for
// each event in it: trade, ticker, book, candle or status; event.go has their fields. A message that is
// not understood fails with what was expected and where.
package main

import (
	"context"
	"errors"

	prism "github.com/marketprism/prismrt/sdk/go"
)

func init() { prism.Handle(normalise) }

func main() {}

func normalise(_ context.Context, in []byte) ([]byte, error) {
	text := string(in)
	tokens, escapes, problem := scan(text)
	if problem != "" {
		return nil, errors.New(problem)
	}
	m := message{text: text, tokens: tokens, escapes: escapes}
	m.out = make([]byte, 0, len(in)+256)
	m.read()
	if m.failure != "" {
		return nil, errors.New(m.failure)
	}
	return m.out, nil
}

// read finds the exchange by the fields only its messages have.
func (m *message) read() {
	top := m.top()
	switch {
	case top.has("jsonrpc"):
		m.deribit(&top)
	case top.has("arg"), top.has("event"):
		m.okx(&top)
	case top.has("stream"), top.has("e"), top.has("result"), top.has("error"), isBookTicker(&top):
		m.binance(&top)
	default:
		m.fail(`unknown message: no "stream", "arg" or "jsonrpc" field`)
	}
}
