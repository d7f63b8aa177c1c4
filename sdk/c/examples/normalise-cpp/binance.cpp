/* Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
 * https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams */
#include "event.hpp"
#include "exchanges.hpp"

namespace {

constexpr std::string_view name = "binance";

/* The members of an event are read in the order in which they stand here: braces, unlike parentheses, promise it. */

void read_trade(Message &m, Node &o, std::string_view id) {
	write(m, Trade{
		.head = {name, o.string("s"), o.integer("T")},
		.id = o.integer(id),
		.price = o.decimal("p"),
		.size = o.decimal("q"),
		.side = o.boolean("m") ? "sell" : "buy", /* m: the buyer's order was in the book */
	});
}

void read_book_ticker(Message &m, Node &o) {
	m.where = "binance bookTicker";
	Node sent = o.if_sent();
	Ticker e{.head = {name, o.string("s"), sent.integer("E")}}; /* futures send the time */
	e.bid = o.decimal("b");
	e.bid_size = o.decimal("B");
	e.ask = o.decimal("a");
	e.ask_size = o.decimal("A");
	write(m, e);
}

void read_day_ticker(Message &m, Node &o) {
	m.where = "binance 24hrTicker";
	Ticker e{.head = {name, o.string("s"), o.integer("E")}};
	e.bid = o.decimal("b");
	e.bid_size = o.decimal("B");
	e.ask = o.decimal("a");
	e.ask_size = o.decimal("A");
	e.last = o.decimal("c");
	e.last_size = o.decimal("Q");
	e.open = o.decimal("o");
	e.high = o.decimal("h");
	e.low = o.decimal("l");
	e.volume = o.decimal("v");
	write(m, e);
}

void read_depth_update(Message &m, Node &o) {
	m.where = "binance depthUpdate";
	write(m, Book{
		.head = {name, o.string("s"), o.integer("E")},
		.action = "update",
		.first_seq = o.integer("U"),
		.last_seq = o.integer("u"),
		.bids = o.array("b"),
		.asks = o.array("a"),
		.layout = Layout::sized,
	});
}

void read_kline(Message &m, Node &o) {
	m.where = "binance kline";
	const Head head = {name, o.string("s"), o.integer("E")};
	Node k = o.object("k");
	write(m, Candle{
		.head = head,
		.interval = k.string("i"),
		.open_time = k.integer("t"),
		.close_time = k.integer("T"),
		.open = k.decimal("o"),
		.high = k.decimal("h"),
		.low = k.decimal("l"),
		.close = k.decimal("c"),
		.volume = k.decimal("v"),
		.quote_volume = k.decimal("q"),
		.trades = k.integer("n"),
		.closed = k.boolean("x"),
	});
}

/* read_event reads the event of a stream, whose name is empty in raw streams. */
void read_event(Message &m, Node &o, std::string_view stream) {
	if (!o.has("e")) {
		/* The best bid and offer is the one event of these that does not say what it is. */
		const auto event = after(stream, '@');
		if (stream.empty() || (event && equal(*event, "bookTicker"))) {
			read_book_ticker(m, o);
		} else {
			m.unknown("stream", stream);
		}
		return;
	}
	const std::string_view event = o.string("e");
	if (equal(event, "trade")) {
		m.where = "binance trade";
		read_trade(m, o, "t");
	} else if (equal(event, "aggTrade")) {
		m.where = "binance aggTrade";
		read_trade(m, o, "a");
	} else if (equal(event, "bookTicker")) {
		read_book_ticker(m, o);
	} else if (equal(event, "24hrTicker")) {
		read_day_ticker(m, o);
	} else if (equal(event, "depthUpdate")) {
		read_depth_update(m, o);
	} else if (equal(event, "kline")) {
		read_kline(m, o);
	} else {
		m.unknown("event", event);
	}
}

/* read_answer reads the answer to a request: {"result":null,"id":1} when it was granted. */
void read_answer(Message &m, Node &top) {
	m.where = "binance answer";
	Status e{.head = {.exchange = name}, .event = "subscribe", .channels = Node::none(m)};
	if (top.has("error")) {
		Node refusal = top.object("error");
		e.event = "error";
		e.code = refusal.integer("code");
		e.text = refusal.string("msg");
	} else if (const std::string_view result = top.raw("result"); result != "null") {
		top.wrong("result", "null", result);
	}
	write(m, e);
}

} // namespace

bool is_book_ticker(const Node &top) {
	return top.has("s") && top.has("b") && top.has("B") && top.has("a") && top.has("A");
}

void read_binance(Message &m, Node &top) {
	m.where = "binance";
	if (top.has("result") || top.has("error")) {
		read_answer(m, top);
		return;
	}
	if (!top.has("stream")) {
		read_event(m, top, {});
		return;
	}
	const std::string_view stream = top.string("stream");
	/* The path begins anew, so that a failure names a field alike in raw and combined streams. */
	Node data = top.object("data").root();
	read_event(m, data, stream);
}
