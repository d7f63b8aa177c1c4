package main

// Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

func (m *message) binance(top *field) {
	m.where = "binance"
	if top.has("result") || top.has("error") {
		m.binanceAnswer(top)
		return
	}
	if !top.has("stream") {
		m.binanceEvent(top, "")
		return
	}
	stream := top.field("stream").string()
	data := top.field("data").object()
	// The path begins anew, so that a failure names a field alike in raw and combined streams.
	data.parent = nil
	m.binanceEvent(&data, stream)
}

// binanceEvent reads the event of a stream, whose name is "" in raw streams.
func (m *message) binanceEvent(o *field, stream string) {
	if !o.has("e") {
		// The best bid and offer is the one event of these that does not say what it is.
		if name, _ := after(stream, '@'); equal(name, "bookTicker") || stream == "" {
			m.bookTicker(o)
			return
		}
		m.unknown("stream", stream)
		return
	}
	switch event := o.field("e").string(); {
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

func (m *message) binanceTrade(o *field, id string) {
	e := trade{
		head:  head{"binance", o.field("s").string(), o.field("T").integer()},
		id:    o.field(id).integer(),
		price: o.field("p").decimal(),
		size:  o.field("q").decimal(),
		side:  "buy",
	}
	if o.field("m").bool() { // the buyer's order was in the book
		e.side = "sell"
	}
	m.trade(e)
}

// isBookTicker reports whether a raw message has the shape of the best bid and offer.
func isBookTicker(o *field) bool {
	return o.has("s") && o.has("b") && o.has("B") && o.has("a") && o.has("A")
}

func (m *message) bookTicker(o *field) {
	m.where = "binance bookTicker"
	m.ticker(ticker{
		head:    head{"binance", o.field("s").string(), o.field("E").ifSent().integer()}, // futures send the time
		bid:     o.field("b").decimal(),
		bidSize: o.field("B").decimal(),
		ask:     o.field("a").decimal(),
		askSize: o.field("A").decimal(),
	})
}

func (m *message) dayTicker(o *field) {
	m.where = "binance 24hrTicker"
	m.ticker(ticker{
		head:     head{"binance", o.field("s").string(), o.field("E").integer()},
		bid:      o.field("b").decimal(),
		bidSize:  o.field("B").decimal(),
		ask:      o.field("a").decimal(),
		askSize:  o.field("A").decimal(),
		last:     o.field("c").decimal(),
		lastSize: o.field("Q").decimal(),
		open:     o.field("o").decimal(),
		high:     o.field("h").decimal(),
		low:      o.field("l").decimal(),
		volume:   o.field("v").decimal(),
	})
}

func (m *message) depthUpdate(o *field) {
	m.where = "binance depthUpdate"
	m.book(book{
		head:     head{"binance", o.field("s").string(), o.field("E").integer()},
		action:   "update",
		firstSeq: o.field("U").integer(),
		lastSeq:  o.field("u").integer(),
		bids:     o.field("b"),
		asks:     o.field("a"),
		level:    sized,
	})
}

func (m *message) kline(o *field) {
	m.where = "binance kline"
	h := head{"binance", o.field("s").string(), o.field("E").integer()}
	k := o.field("k").object()
	m.candle(candle{
		head:        h,
		interval:    k.field("i").string(),
		openTime:    k.field("t").integer(),
		closeTime:   k.field("T").integer(),
		open:        k.field("o").decimal(),
		high:        k.field("h").decimal(),
		low:         k.field("l").decimal(),
		close:       k.field("c").decimal(),
		volume:      k.field("v").decimal(),
		quoteVolume: k.field("q").decimal(),
		trades:      k.field("n").integer(),
		closed:      k.field("x").bool(),
	})
}

// binanceAnswer reads the answer to a request: {"result":null,"id":1} when it was granted.
func (m *message) binanceAnswer(top *field) {
	m.where = "binance answer"
	if !top.has("error") {
		result := top.field("result")
		if text := result.ifSent().text(); text != "" {
			result.wrong("null", text)
		}
		m.status(status{head: head{exchange: "binance"}, event: "subscribe", channels: none})
		return
	}
	refusal := top.field("error").object()
	m.status(status{
		head:     head{exchange: "binance"},
		event:    "error",
		channels: none,
		code:     refusal.field("code").integer(),
		message:  refusal.field("msg").string(),
	})
}
