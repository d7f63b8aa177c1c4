package main

// OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket

func (m *message) okx(top *node) {
	m.where = "okx"
	if top.has("event") {
		m.okxEvent(top)
		return
	}
	arg := top.object("arg")
	channel := arg.string("channel")
	if interval, ok := cutPrefix(channel, "candle"); ok && interval != "" {
		m.okxCandles(top, &arg, interval)
		return
	}
	switch {
	case equal(channel, "trades"):
		m.okxTrades(top)
	case equal(channel, "tickers"):
		m.okxTickers(top)
	case equal(channel, "books"), equal(channel, "books-l2-tbt"), equal(channel, "books50-l2-tbt"):
		m.okxBooks(top, &arg, top.field("action"))
	case equal(channel, "books5"), equal(channel, "bbo-tbt"):
		m.okxBooks(top, &arg, top.ifSent("action"))
	default:
		m.unknown("channel", channel)
	}
}

// okxEvent reads the answer to a request.
func (m *message) okxEvent(top *node) {
	event := top.string("event")
	e := status{head: head{exchange: "okx"}, channels: none}
	switch {
	case equal(event, "subscribe"):
		e.event = "subscribe"
	case equal(event, "unsubscribe"):
		e.event = "unsubscribe"
	case equal(event, "error"):
		e.event = "error"
	default:
		m.unknown("event", event)
		return
	}
	m.where = "okx event"
	if e.event != "error" || top.has("arg") {
		arg := top.object("arg")
		e.symbol = arg.ifSent("instId").string() // a channel may be about a kind of instrument
		e.channel = arg.string("channel")
	}
	e.code = top.ifSent("code").string()
	e.message = top.ifSent("msg").string()
	m.status(e)
}

func (m *message) okxTrades(top *node) {
	m.where = "okx trades"
	data := top.entries("data")
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.trade(trade{
			head:  head{"okx", o.string("instId"), o.digits("ts")},
			id:    o.string("tradeId"),
			price: o.decimal("px"),
			size:  o.decimal("sz"),
			side:  o.field("side").oneOf("buy", "sell"),
		})
	}
}

func (m *message) okxTickers(top *node) {
	m.where = "okx tickers"
	data := top.entries("data")
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.ticker(ticker{
			head:     head{"okx", o.string("instId"), o.digits("ts")},
			bid:      o.orNull("bidPx").decimal(),
			bidSize:  o.orNull("bidSz").decimal(),
			ask:      o.orNull("askPx").decimal(),
			askSize:  o.orNull("askSz").decimal(),
			last:     o.orNull("last").decimal(),
			lastSize: o.orNull("lastSz").decimal(),
			open:     o.orNull("open24h").decimal(),
			high:     o.orNull("high24h").decimal(),
			low:      o.orNull("low24h").decimal(),
			volume:   o.orNull("vol24h").decimal(),
		})
	}
}

// okxBooks reads an order book. A channel that sends the whole book each time names no action.
func (m *message) okxBooks(top, arg *node, action field) {
	m.where = "okx books"
	symbol := arg.string("instId")
	act := action.oneOf("snapshot", "update")
	if act == "" {
		act = "snapshot"
	}
	data := top.entries("data")
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.book(book{
			head:     head{"okx", symbol, o.digits("ts")},
			action:   act,
			firstSeq: o.ifSent("prevSeqId").integer(),
			lastSeq:  o.ifSent("seqId").integer(),
			bids:     o.field("bids"),
			asks:     o.field("asks"),
			level:    sized,
		})
	}
}

// okxCandles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
func (m *message) okxCandles(top, arg *node, interval string) {
	m.where = "okx candle"
	symbol := arg.string("instId")
	data := top.entries("data")
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		row := o.array()
		time := row.first()
		open := time.next()
		high := open.next()
		low := high.next()
		last := low.next()
		volume := last.next()
		coins := volume.next()
		quoteVolume := coins.next()
		over := quoteVolume.next()
		m.candle(candle{
			head:        head{exchange: "okx", symbol: symbol},
			interval:    interval,
			openTime:    time.digits(),
			open:        open.decimal(),
			high:        high.decimal(),
			low:         low.decimal(),
			close:       last.decimal(),
			volume:      volume.decimal(),
			quoteVolume: quoteVolume.decimal(),
			closed:      over.oneOf("0", "1") == "1",
		})
	}
}
