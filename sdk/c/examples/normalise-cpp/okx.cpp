/* OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket */
#include "event.hpp"
#include "exchanges.hpp"

namespace {

constexpr std::string_view name = "okx";

/* read_answer reads the answer to a request. */
void read_answer(Message &m, Node &top) {
	const std::string_view event = top.string("event");
	Status e{.head = {.exchange = name}, .channels = Node::none(m)};
	for (const std::string_view known : {"subscribe", "unsubscribe", "error"}) {
		if (equal(event, known)) {
			e.event = known;
		}
	}
	if (e.event.empty()) {
		m.unknown("event", event);
		return;
	}
	m.where = "okx event";
	if (e.event != "error" || top.has("arg")) {
		Node arg = top.object("arg");
		e.head.symbol = arg.if_sent().string("instId"); /* a channel may be about a kind of instrument */
		e.channel = arg.string("channel");
	}
	Node sent = top.if_sent();
	e.code = sent.string("code");
	e.text = sent.string("msg");
	write(m, e);
}

void read_trades(Message &m, Node &top) {
	m.where = "okx trades";
	Node data = top.entries();
	while (data.more()) {
		Node o = data.object(NEXT);
		write(m, Trade{
			.head = {name, o.string("instId"), o.digits("ts")},
			.id = o.string("tradeId"),
			.price = o.decimal("px"),
			.size = o.decimal("sz"),
			.side = o.one_of("side", {"buy", "sell"}),
		});
	}
}

void read_tickers(Message &m, Node &top) {
	m.where = "okx tickers";
	Node data = top.entries();
	while (data.more()) {
		Node o = data.object(NEXT);
		Node nullable = o.or_null();
		Ticker e{.head = {name, o.string("instId"), o.digits("ts")}};
		e.bid = nullable.decimal("bidPx");
		e.bid_size = nullable.decimal("bidSz");
		e.ask = nullable.decimal("askPx");
		e.ask_size = nullable.decimal("askSz");
		e.last = nullable.decimal("last");
		e.last_size = nullable.decimal("lastSz");
		e.open = nullable.decimal("open24h");
		e.high = nullable.decimal("high24h");
		e.low = nullable.decimal("low24h");
		e.volume = nullable.decimal("vol24h");
		write(m, e);
	}
}

/* read_books reads an order book. A channel that sends the whole book each time need not name the action. */
void read_books(Message &m, Node &top, Node &arg, Node action_of) {
	m.where = "okx books";
	const std::string_view symbol = arg.string("instId");
	std::string_view action = action_of.one_of("action", {"snapshot", "update"});
	if (action.empty()) {
		action = "snapshot";
	}
	Node data = top.entries();
	while (data.more()) {
		Node o = data.object(NEXT);
		Node sent = o.if_sent();
		write(m, Book{
			.head = {name, symbol, o.digits("ts")},
			.action = action,
			.first_seq = sent.integer("prevSeqId"),
			.last_seq = sent.integer("seqId"),
			.bids = o.array("bids"),
			.asks = o.array("asks"),
			.layout = Layout::sized,
		});
	}
}

/* read_candles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over]. */
void read_candles(Message &m, Node &top, Node &arg, std::string_view interval) {
	m.where = "okx candle";
	const std::string_view symbol = arg.string("instId");
	Node data = top.entries();
	while (data.more()) {
		Node row = data.array(NEXT);
		Candle e{.head = {.exchange = name, .symbol = symbol}, .interval = interval};
		e.open_time = row.digits(NEXT);
		e.open = row.decimal(NEXT);
		e.high = row.decimal(NEXT);
		e.low = row.decimal(NEXT);
		e.close = row.decimal(NEXT);
		e.volume = row.decimal(NEXT);
		row.decimal(NEXT); /* the volume in coins */
		e.quote_volume = row.decimal(NEXT);
		e.closed = row.one_of(NEXT, {"0", "1"}) == "1";
		write(m, e);
	}
}

} // namespace

void read_okx(Message &m, Node &top) {
	m.where = "okx";
	if (top.has("event")) {
		read_answer(m, top);
		return;
	}
	Node arg = top.object("arg");
	const std::string_view channel = arg.string("channel");
	const auto interval = cut_prefix(channel, "candle");
	if (interval && !interval->empty()) {
		read_candles(m, top, arg, *interval);
	} else if (equal(channel, "trades")) {
		read_trades(m, top);
	} else if (equal(channel, "tickers")) {
		read_tickers(m, top);
	} else if (equal(channel, "books") || equal(channel, "books-l2-tbt") || equal(channel, "books50-l2-tbt")) {
		read_books(m, top, arg, top);
	} else if (equal(channel, "books5") || equal(channel, "bbo-tbt")) {
		read_books(m, top, arg, top.if_sent());
	} else {
		m.unknown("channel", channel);
	}
}
