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
		m.okxBooks(top, &arg, top)
	case equal(channel, "books5"), equal(channel, "bbo-tbt"):
		sent := top.ifSent()
		m.okxBooks(top, &arg, &sent)
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
		argSent := arg.ifSent()
		e.symbol = argSent.string("instId") // a channel may be about a kind of instrument
		e.channel = arg.string("channel")
	}
	sent := top.ifSent()
	e.code = sent.string("code")
	e.message = sent.string("msg")
	m.status(e)
}

func (m *message) okxTrades(top *node) {
	m.where = "okx trades"
	data := top.entries()
	for data.more() {
		o := data.object(next)
		m.trade(trade{
			head:  head{"okx", o.string("instId"), o.digits("ts")},
			id:    o.string("tradeId"),
			price: o.decimal("px"),
			size:  o.decimal("sz"),
			side:  o.oneOf("side", "buy", "sell"),
		})
	}
}

func (m *message) okxTickers(top *node) {
	m.where = "okx tickers"
	data := top.entries()
	for data.more() {
		o := data.object(next)
		nullable := o.orNull()
		m.ticker(ticker{
			head:     head{"okx", o.string("instId"), o.digits("ts")},
			bid:      nullable.decimal("bidPx"),
			bidSize:  nullable.decimal("bidSz"),
			ask:      nullable.decimal("askPx"),
			askSize:  nullable.decimal("askSz"),
			last:     nullable.decimal("last"),
			lastSize: nullable.decimal("lastSz"),
			open:     nullable.decimal("open24h"),
			high:     nullable.decimal("high24h"),
			low:      nullable.decimal("low24h"),
			volume:   nullable.decimal("vol24h"),
		})
	}
}

// okxBooks reads an order book. A channel that sends the whole book each time need not name the action.
func (m *message) okxBooks(top, arg, actionOf *node) {
	m.where = "okx books"
	symbol := arg.string("instId")
	action := actionOf.oneOf("action", "snapshot", "update")
	if action == "" {
		action = "snapshot"
	}
	data := top.entries()
	for data.more() {
		o := data.object(next)
		sent := o.ifSent()
		m.book(book{
			head:     head{"okx", symbol, o.digits("ts")},
			action:   action,
			firstSeq: sent.integer("prevSeqId"),
			lastSeq:  sent.integer("seqId"),
			bids:     o.array("bids"),
			asks:     o.array("asks"),
			level:    sized,
		})
	}
}

// okxCandles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
func (m *message) okxCandles(top, arg *node, interval string) {
	m.where = "okx candle"
	symbol := arg.string("instId")
	data := top.entries()
	for data.more() {
		row := data.array(next)
		e := candle{
			head:     head{exchange: "okx", symbol: symbol},
			interval: interval,
			openTime: row.digits(next),
			open:     row.decimal(next),
			high:     row.decimal(next),
			low:      row.decimal(next),
			close:    row.decimal(next),
			volume:   row.decimal(next),
		}
		row.decimal(next) // the volume in coins
		e.quoteVolume = row.decimal(next)
		e.closed = row.oneOf(next, "0", "1") == "1"
		m.candle(e)
	}
}
