package main

// Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions

func (m *message) deribit(top *field) {
	m.where = "deribit"
	if !top.has("method") {
		m.deribitAnswer(top)
		return
	}
	if method := top.field("method").string(); !equal(method, "subscription") {
		m.unknown("method", method)
		return
	}
	params := top.field("params").object()
	channel := params.field("channel").string()
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
func (m *message) deribitAnswer(top *field) {
	m.where = "deribit answer"
	e := status{
		head:     head{exchange: "deribit", time: milliseconds(top.field("usOut").ifSent().integer())},
		event:    "subscribe",
		channels: none,
	}
	if top.has("error") {
		refusal := top.field("error").object()
		e.event = "error"
		e.code = refusal.field("code").integer()
		e.message = refusal.field("message").string()
	} else {
		e.channels = top.field("result").array()
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
			head:  head{"deribit", o.field("instrument_name").string(), o.field("timestamp").integer()},
			id:    o.field("trade_id").string(),
			price: o.field("price").number(),
			size:  o.field("amount").number(),
			side:  o.field("direction").oneOf("buy", "sell"),
		})
	}
}

func (m *message) deribitTicker(data field) {
	m.where = "deribit ticker"
	o := data.object()
	h := head{"deribit", o.field("instrument_name").string(), o.field("timestamp").integer()}
	stats := o.field("stats").object()
	m.ticker(ticker{
		head:         h,
		bid:          o.field("best_bid_price").orNull().number(),
		bidSize:      o.field("best_bid_amount").orNull().number(),
		ask:          o.field("best_ask_price").orNull().number(),
		askSize:      o.field("best_ask_amount").orNull().number(),
		last:         o.field("last_price").orNull().number(),
		high:         stats.field("high").orNull().number(),
		low:          stats.field("low").orNull().number(),
		volume:       stats.field("volume").orNull().number(),
		mark:         o.field("mark_price").ifSent().number(), // spot pairs send none of these three
		index:        o.field("index_price").ifSent().number(),
		openInterest: o.field("open_interest").ifSent().number(),
	})
}

func (m *message) deribitBook(data field) {
	m.where = "deribit book"
	o := data.object()
	e := book{
		head:    head{"deribit", o.field("instrument_name").string(), o.field("timestamp").integer()},
		action:  "snapshot",
		lastSeq: o.field("change_id").integer(),
		bids:    o.field("bids"),
		asks:    o.field("asks"),
		level:   stated,
	}
	if o.field("type").oneOf("snapshot", "change") == "change" {
		e.action = "update"
		e.firstSeq = o.field("prev_change_id").integer()
	}
	m.book(e)
}
