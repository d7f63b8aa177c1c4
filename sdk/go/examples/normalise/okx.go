package main

// OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket

func (m *message) okx(top *field) {
	m.where = "okx"
	if top.has("event") {
		m.okxEvent(top)
		return
	}
	arg := top.field("arg").object()
	channel := arg.field("channel").string()
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
		m.okxBooks(top, &arg, top.field("action").ifSent())
	default:
		m.unknown("channel", channel)
	}
}

// okxEvent reads the answer to a request.
func (m *message) okxEvent(top *field) {
	event := top.field("event").string()
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
		arg := top.field("arg").object()
		e.symbol = arg.field("instId").ifSent().string() // a channel may be about a kind of instrument
		e.channel = arg.field("channel").string()
	}
	e.code = top.field("code").ifSent().string()
	e.message = top.field("msg").ifSent().string()
	m.status(e)
}

func (m *message) okxTrades(top *field) {
	m.where = "okx trades"
	data := top.field("data").entries()
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.trade(trade{
			head:  head{"okx", o.field("instId").string(), o.field("ts").digits()},
			id:    o.field("tradeId").string(),
			price: o.field("px").decimal(),
			size:  o.field("sz").decimal(),
			side:  o.field("side").oneOf("buy", "sell"),
		})
	}
}

func (m *message) okxTickers(top *field) {
	m.where = "okx tickers"
	data := top.field("data").entries()
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.ticker(ticker{
			head:     head{"okx", o.field("instId").string(), o.field("ts").digits()},
			bid:      o.field("bidPx").orNull().decimal(),
			bidSize:  o.field("bidSz").orNull().decimal(),
			ask:      o.field("askPx").orNull().decimal(),
			askSize:  o.field("askSz").orNull().decimal(),
			last:     o.field("last").orNull().decimal(),
			lastSize: o.field("lastSz").orNull().decimal(),
			open:     o.field("open24h").orNull().decimal(),
			high:     o.field("high24h").orNull().decimal(),
			low:      o.field("low24h").orNull().decimal(),
			volume:   o.field("vol24h").orNull().decimal(),
		})
	}
}

// okxBooks reads an order book. A channel that sends the whole book each time names no action.
func (m *message) okxBooks(top, arg *field, action field) {
	m.where = "okx books"
	symbol := arg.field("instId").string()
	act := action.oneOf("snapshot", "update")
	if act == "" {
		act = "snapshot"
	}
	data := top.field("data").entries()
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.book(book{
			head:     head{"okx", symbol, o.field("ts").digits()},
			action:   act,
			firstSeq: o.field("prevSeqId").ifSent().integer(),
			lastSeq:  o.field("seqId").ifSent().integer(),
			bids:     o.field("bids"),
			asks:     o.field("asks"),
			level:    sized,
		})
	}
}

// okxCandles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
func (m *message) okxCandles(top, arg *field, interval string) {
	m.where = "okx candle"
	symbol := arg.field("instId").string()
	data := top.field("data").entries()
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
