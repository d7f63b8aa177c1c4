package main

// The events. Text fields hold what a node's reader returned, and "" becomes null. Prices, sizes and
// volumes are the exchange's decimals, to the digit; times are milliseconds since 1970 in UTC.

// A head is what every event begins with.
type head struct {
	exchange string
	symbol   string // null for a status that is about no single symbol
	time     string // null when the exchange sent none
}

// A trade is one execution, or several of one order that the exchange added up.
type trade struct {
	head
	id, price, size string
	side            string // buy or sell: what the order that met the book did
}

// A ticker is the best bid and offer, or the summary of a day.
type ticker struct {
	head
	bid, bidSize, ask, askSize string
	last, lastSize             string
	open, high, low, volume    string // over the last 24 hours
	mark, index, openInterest  string // of derivatives
}

// A book is the order book or a change to it. A level of size zero is gone from the book.
type book struct {
	head
	action            string // snapshot or update
	firstSeq, lastSeq string // the exchange's sequence numbers: an update follows on firstSeq
	bids, asks        node
	level             layout
}

// A layout is how an exchange writes a price level.
type layout int

const (
	sized  layout = iota // ["price","size",...]
	stated               // ["new",price,size], where new may be change or delete
)

// A candle is the trading of one interval.
type candle struct {
	head
	interval               string
	openTime, closeTime    string
	open, high, low, close string
	volume, quoteVolume    string
	trades                 string // how many
	closed                 bool   // the interval is over
}

// A status is the exchange's answer to a request.
type status struct {
	head
	event         string // subscribe, unsubscribe or error
	channel       string // what it is about: one channel,
	channels      node   // or an array of them, or none
	code, message string // of an error
}

func (m *message) trade(e trade) {
	m.begin(e.head, "trade")
	m.quoted("id", e.id)
	m.quoted("price", e.price)
	m.quoted("size", e.size)
	m.quoted("side", e.side)
	m.end()
}

func (m *message) ticker(e ticker) {
	m.begin(e.head, "ticker")
	m.quoted("bid", e.bid)
	m.quoted("bid_size", e.bidSize)
	m.quoted("ask", e.ask)
	m.quoted("ask_size", e.askSize)
	m.quoted("last", e.last)
	m.quoted("last_size", e.lastSize)
	m.quoted("open_24h", e.open)
	m.quoted("high_24h", e.high)
	m.quoted("low_24h", e.low)
	m.quoted("volume_24h", e.volume)
	m.quoted("mark", e.mark)
	m.quoted("index", e.index)
	m.quoted("open_interest", e.openInterest)
	m.end()
}

func (m *message) book(e book) {
	m.begin(e.head, "book")
	m.quoted("action", e.action)
	m.plain("first_seq", e.firstSeq)
	m.plain("last_seq", e.lastSeq)
	m.levels("bids", e.bids, e.level)
	m.levels("asks", e.asks, e.level)
	m.end()
}

func (m *message) candle(e candle) {
	m.begin(e.head, "candle")
	m.quoted("interval", e.interval)
	m.plain("open_ms", e.openTime)
	m.plain("close_ms", e.closeTime)
	m.quoted("open", e.open)
	m.quoted("high", e.high)
	m.quoted("low", e.low)
	m.quoted("close", e.close)
	m.quoted("volume", e.volume)
	m.quoted("quote_volume", e.quoteVolume)
	m.plain("trades", e.trades)
	if e.closed {
		m.plain("closed", "true")
	} else {
		m.plain("closed", "false")
	}
	m.end()
}

func (m *message) status(e status) {
	m.begin(e.head, "status")
	m.quoted("event", e.event)
	m.key("channels")
	m.channels(e.channel, e.channels)
	m.quoted("code", e.code)
	m.quoted("message", e.message)
	m.end()
}

func (m *message) levels(key string, side node, layout layout) {
	m.key(key)
	m.out = append(m.out, '[')
	for i := 0; side.more(); i++ {
		if i > 0 {
			m.out = append(m.out, ',')
		}
		level := side.array(next)
		price, size := level.priceAndSize(layout)
		out := m.out
		out = append(out, '[', '"')
		out = append(out, price...)
		out = append(out, '"', ',', '"')
		out = append(out, size...)
		out = append(out, '"', ']')
		m.out = out
	}
	m.out = append(m.out, ']')
}

// priceAndSize reads a price level.
func (n *node) priceAndSize(layout layout) (price, size string) {
	if layout == sized {
		return n.decimal(next), n.decimal(next)
	}
	state := n.oneOf(next, "new", "change", "delete")
	price, size = n.number(next), n.number(next)
	// What was deleted has size 0, which is how the events say so.
	if state == "delete" && !isZero(size) {
		n.wrong(next, "0 in a level that is deleted", size)
	}
	return price, size
}

// channels writes one channel, when there is one, and then those of an array.
func (m *message) channels(one string, many node) {
	m.out = append(m.out, '[')
	if one != "" {
		m.value(one)
	}
	for i := 0; many.more(); i++ {
		if i > 0 {
			m.out = append(m.out, ',')
		}
		m.value(many.string(next))
	}
	m.out = append(m.out, ']')
}

func (m *message) begin(h head, kind string) {
	m.out = append(m.out, `{"exchange":"`...)
	m.out = append(m.out, h.exchange...)
	m.out = append(m.out, `","type":"`...)
	m.out = append(m.out, kind...)
	m.out = append(m.out, '"')
	m.quoted("symbol", h.symbol)
	m.plain("ts_ms", h.time)
}

func (m *message) end() { m.out = append(m.out, "}\n"...) }

// quoted writes a member whose value is a string. Inlined, it and plain would add 100 KB to the
// plugin.
//
//go:noinline
func (m *message) quoted(key, text string) {
	m.key(key)
	m.value(text)
}

// plain writes a member whose value is a number or a truth value.
//
//go:noinline
func (m *message) plain(key, text string) {
	m.key(key)
	if text == "" {
		text = "null"
	}
	m.out = append(m.out, text...)
}

func (m *message) key(key string) {
	m.out = append(m.out, ',', '"')
	m.out = append(m.out, key...)
	m.out = append(m.out, '"', ':')
}

// value writes a string.
func (m *message) value(text string) {
	if text == "" {
		m.out = append(m.out, "null"...)
		return
	}
	m.out = append(m.out, '"')
	m.out = append(m.out, text...)
	m.out = append(m.out, '"')
}
