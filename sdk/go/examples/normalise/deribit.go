package main

// Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions

func (m *message) deribit(top *node) {
	m.where = "deribit"
	if !top.has("method") {
		m.deribitAnswer(top)
		return
	}
	if method := top.string("method"); !equal(method, "subscription") {
		m.unknown("method", method)
		return
	}
	params := top.object("params")
	channel := params.string("channel")
	data := params.field("data")
	if _, ok := cutPrefix(channel, "trades."); ok {
		m.deribitTrades(data)
	} else if _, ok := cutPrefix(channel, "ticker."); ok {
		m.deribitTicker(data)
	} else if _, ok := cutPrefix(channel, "book."); ok {
		m.deribitBook(data)
	} else {
		m.unknown("channel", channel)
	}
}

// deribitAnswer reads the answer to a subscription, which lists the channels subscribed to.
func (m *message) deribitAnswer(top *node) {
	m.where = "deribit answer"
	e := status{
		head:     head{exchange: "deribit", time: milliseconds(top.ifSent("usOut").integer())},
		event:    "subscribe",
		channels: none,
	}
	if top.has("error") {
		refusal := top.object("error")
		e.event = "error"
		e.code = refusal.integer("code")
		e.message = refusal.string("message")
	} else {
		e.channels = top.array("result")
	}
	m.status(e)
}

// milliseconds drops the last three digits of a time in microseconds.
func milliseconds(microseconds string) string {
	switch n := len(microseconds) - 3; {
	case microseconds == "":
		return ""
	case n <= 0, microseconds[:n] == "-":
		return "0"
	default:
		return microseconds[:n]
	}
}

func (m *message) deribitTrades(data field) {
	m.where = "deribit trades"
	data = data.entries()
	for o := data.first(); o.token != absent && m.failure == ""; o = o.next() {
		o := o.object()
		m.trade(trade{
			head:  head{"deribit", o.string("instrument_name"), o.integer("timestamp")},
			id:    o.string("trade_id"),
			price: o.number("price"),
			size:  o.number("amount"),
			side:  o.field("direction").oneOf("buy", "sell"),
		})
	}
}

func (m *message) deribitTicker(data field) {
	m.where = "deribit ticker"
	o := data.object()
	h := head{"deribit", o.string("instrument_name"), o.integer("timestamp")}
	stats := o.object("stats")
	m.ticker(ticker{
		head:         h,
		bid:          o.orNull("best_bid_price").number(),
		bidSize:      o.orNull("best_bid_amount").number(),
		ask:          o.orNull("best_ask_price").number(),
		askSize:      o.orNull("best_ask_amount").number(),
		last:         o.orNull("last_price").number(),
		high:         stats.orNull("high").number(),
		low:          stats.orNull("low").number(),
		volume:       stats.orNull("volume").number(),
		mark:         o.ifSent("mark_price").number(), // spot pairs send none of these three
		index:        o.ifSent("index_price").number(),
		openInterest: o.ifSent("open_interest").number(),
	})
}

func (m *message) deribitBook(data field) {
	m.where = "deribit book"
	o := data.object()
	e := book{
		head:    head{"deribit", o.string("instrument_name"), o.integer("timestamp")},
		action:  "snapshot",
		lastSeq: o.integer("change_id"),
		bids:    o.field("bids"),
		asks:    o.field("asks"),
		level:   stated,
	}
	if o.field("type").oneOf("snapshot", "change") == "change" {
		e.action = "update"
		e.firstSeq = o.integer("prev_change_id")
	}
	m.book(e)
}
