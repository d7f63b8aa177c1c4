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
	if _, ok := cutPrefix(channel, "trades."); ok {
		m.deribitTrades(&params)
	} else if _, ok := cutPrefix(channel, "ticker."); ok {
		m.deribitTicker(&params)
	} else if _, ok := cutPrefix(channel, "book."); ok {
		m.deribitBook(&params)
	} else {
		m.unknown("channel", channel)
	}
}

// deribitAnswer reads the answer to a subscription, which lists the channels subscribed to.
func (m *message) deribitAnswer(top *node) {
	m.where = "deribit answer"
	sent := top.ifSent()
	e := status{
		head:     head{exchange: "deribit", time: milliseconds(sent.integer("usOut"))},
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

func (m *message) deribitTrades(params *node) {
	m.where = "deribit trades"
	data := params.entries()
	for data.more() {
		o := data.object(next)
		m.trade(trade{
			head:  head{"deribit", o.string("instrument_name"), o.integer("timestamp")},
			id:    o.string("trade_id"),
			price: o.number("price"),
			size:  o.number("amount"),
			side:  o.oneOf("direction", "buy", "sell"),
		})
	}
}

func (m *message) deribitTicker(params *node) {
	m.where = "deribit ticker"
	o := params.object("data")
	h := head{"deribit", o.string("instrument_name"), o.integer("timestamp")}
	stats := o.object("stats")
	nullable, nullableStats := o.orNull(), stats.orNull()
	sent := o.ifSent()
	m.ticker(ticker{
		head:         h,
		bid:          nullable.number("best_bid_price"),
		bidSize:      nullable.number("best_bid_amount"),
		ask:          nullable.number("best_ask_price"),
		askSize:      nullable.number("best_ask_amount"),
		last:         nullable.number("last_price"),
		high:         nullableStats.number("high"),
		low:          nullableStats.number("low"),
		volume:       nullableStats.number("volume"),
		mark:         sent.number("mark_price"), // spot pairs send none of these three
		index:        sent.number("index_price"),
		openInterest: sent.number("open_interest"),
	})
}

func (m *message) deribitBook(params *node) {
	m.where = "deribit book"
	o := params.object("data")
	e := book{
		head:   head{"deribit", o.string("instrument_name"), o.integer("timestamp")},
		action: "snapshot",
		level:  stated,
	}
	if o.oneOf("type", "snapshot", "change") == "change" {
		e.action = "update"
		e.firstSeq = o.integer("prev_change_id")
	}
	e.lastSeq = o.integer("change_id")
	e.bids = o.array("bids")
	e.asks = o.array("asks")
	m.book(e)
}
