package main

// Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

func (m *message) binance(top *node) {
	m.where = "binance"
	if top.has("result") || top.has("error") {
		m.binanceAnswer(top)
		return
	}
	if !top.has("stream") {
		m.binanceEvent(top, "")
		return
	}
	stream := top.string("stream")
	data := top.object("data")
	// The path begins anew, so that a failure names a field alike in raw and combined streams.
	data.parent = nil
	m.binanceEvent(&data, stream)
}

// binanceEvent reads the event of a stream, whose name is "" in raw streams.
func (m *message) binanceEvent(o *node, stream string) {
	if !o.has("e") {
		// The best bid and offer is the one event of these that does not say what it is.
		if name, _ := after(stream, '@'); equal(name, "bookTicker") || stream == "" {
			m.bookTicker(o)
			return
		}
		m.unknown("stream", stream)
		return
	}
	switch event := o.string("e"); {
	case equal(event, "trade"):
		m.where = "binance trade"
		m.binanceTrade(o, "t")
	case equal(event, "aggTrade"):
		m.where = "binance aggTrade"
		m.binanceTrade(o, "a")
	case equal(event, "bookTicker"):
		m.bookTicker(o)
	case equal(event, "24hrTicker"):
		m.dayTicker(o)
	case equal(event, "depthUpdate"):
		m.depthUpdate(o)
	case equal(event, "kline"):
		m.kline(o)
	default:
		m.unknown("event", event)
	}
}

func (m *message) binanceTrade(o *node, id string) {
	e := trade{
		head:  head{"binance", o.string("s"), o.integer("T")},
		id:    o.integer(id),
		price: o.decimal("p"),
		size:  o.decimal("q"),
		side:  "buy",
	}
	if o.bool("m") { // the buyer's order was in the book
		e.side = "sell"
	}
	m.trade(e)
}

// isBookTicker reports whether a raw message has the shape of the best bid and offer.
func isBookTicker(o *node) bool {
	return o.has("s") && o.has("b") && o.has("B") && o.has("a") && o.has("A")
}

func (m *message) bookTicker(o *node) {
	m.where = "binance bookTicker"
	sent := o.ifSent()
	m.ticker(ticker{
		head:    head{"binance", o.string("s"), sent.integer("E")}, // futures send the time
		bid:     o.decimal("b"),
		bidSize: o.decimal("B"),
		ask:     o.decimal("a"),
		askSize: o.decimal("A"),
	})
}

func (m *message) dayTicker(o *node) {
	m.where = "binance 24hrTicker"
	m.ticker(ticker{
		head:     head{"binance", o.string("s"), o.integer("E")},
		bid:      o.decimal("b"),
		bidSize:  o.decimal("B"),
		ask:      o.decimal("a"),
		askSize:  o.decimal("A"),
		last:     o.decimal("c"),
		lastSize: o.decimal("Q"),
		open:     o.decimal("o"),
		high:     o.decimal("h"),
		low:      o.decimal("l"),
		volume:   o.decimal("v"),
	})
}

func (m *message) depthUpdate(o *node) {
	m.where = "binance depthUpdate"
	m.book(book{
		head:     head{"binance", o.string("s"), o.integer("E")},
		action:   "update",
		firstSeq: o.integer("U"),
		lastSeq:  o.integer("u"),
		bids:     o.array("b"),
		asks:     o.array("a"),
		level:    sized,
	})
}

func (m *message) kline(o *node) {
	m.where = "binance kline"
	h := head{"binance", o.string("s"), o.integer("E")}
	k := o.object("k")
	m.candle(candle{
		head:        h,
		interval:    k.string("i"),
		openTime:    k.integer("t"),
		closeTime:   k.integer("T"),
		open:        k.decimal("o"),
		high:        k.decimal("h"),
		low:         k.decimal("l"),
		close:       k.decimal("c"),
		volume:      k.decimal("v"),
		quoteVolume: k.decimal("q"),
		trades:      k.integer("n"),
		closed:      k.bool("x"),
	})
}

// binanceAnswer reads the answer to a request: {"result":null,"id":1} when it was granted.
func (m *message) binanceAnswer(top *node) {
	m.where = "binance answer"
	if !top.has("error") {
		if result, _ := top.raw("result"); result != "null" {
			top.wrong("result", "null", result)
		}
		m.status(status{head: head{exchange: "binance"}, event: "subscribe", channels: none})
		return
	}
	refusal := top.object("error")
	m.status(status{
		head:     head{exchange: "binance"},
		event:    "error",
		channels: none,
		code:     refusal.integer("code"),
		message:  refusal.string("msg"),
	})
}
