/* Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions */
#include "event.hpp"
#include "exchanges.hpp"

namespace {

constexpr std::string_view name = "deribit";

/* milliseconds drops the last three digits of a time in microseconds. */
std::string_view milliseconds(std::string_view microseconds) {
	if (microseconds.empty()) {
		return {};
	}
	const std::string_view whole = microseconds.substr(0, microseconds.size() - std::min<std::size_t>(3, microseconds.size()));
	return whole.empty() || whole == "-" ? "0" : whole;
}

/* read_answer reads the answer to a subscription, which lists the channels subscribed to. */
void read_answer(Message &m, Node &top) {
	m.where = "deribit answer";
	Status e{
		.head = {.exchange = name, .time = milliseconds(top.if_sent().integer("usOut"))},
		.event = "subscribe",
		.channels = Node::none(m),
	};
	if (top.has("error")) {
		Node refusal = top.object("error");
		e.event = "error";
		e.code = refusal.integer("code");
		e.text = refusal.string("message");
	} else {
		e.channels = top.array("result");
	}
	write(m, e);
}

void read_trades(Message &m, Node &params) {
	m.where = "deribit trades";
	Node data = params.entries();
	while (data.more()) {
		Node o = data.object(NEXT);
		write(m, Trade{
			.head = {name, o.string("instrument_name"), o.integer("timestamp")},
			.id = o.string("trade_id"),
			.price = o.number("price"),
			.size = o.number("amount"),
			.side = o.one_of("direction", {"buy", "sell"}),
		});
	}
}

void read_ticker(Message &m, Node &params) {
	m.where = "deribit ticker";
	Node o = params.object("data");
	Ticker e{.head = {name, o.string("instrument_name"), o.integer("timestamp")}};
	Node stats = o.object("stats").or_null();
	Node nullable = o.or_null();
	Node sent = o.if_sent();
	e.bid = nullable.number("best_bid_price");
	e.bid_size = nullable.number("best_bid_amount");
	e.ask = nullable.number("best_ask_price");
	e.ask_size = nullable.number("best_ask_amount");
	e.last = nullable.number("last_price");
	e.high = stats.number("high");
	e.low = stats.number("low");
	e.volume = stats.number("volume");
	e.mark = sent.number("mark_price"); /* spot pairs send none of these three */
	e.index = sent.number("index_price");
	e.open_interest = sent.number("open_interest");
	write(m, e);
}

void read_book(Message &m, Node &params) {
	m.where = "deribit book";
	Node o = params.object("data");
	Book e{
		.head = {name, o.string("instrument_name"), o.integer("timestamp")},
		.action = "snapshot",
		.bids = Node::none(m),
		.asks = Node::none(m),
		.layout = Layout::stated,
	};
	if (o.one_of("type", {"snapshot", "change"}) == "change") {
		e.action = "update";
		e.first_seq = o.integer("prev_change_id");
	}
	e.last_seq = o.integer("change_id");
	e.bids = o.array("bids");
	e.asks = o.array("asks");
	write(m, e);
}

} // namespace

void read_deribit(Message &m, Node &top) {
	m.where = "deribit";
	if (!top.has("method")) {
		read_answer(m, top);
		return;
	}
	if (const std::string_view method = top.string("method"); !equal(method, "subscription")) {
		m.unknown("method", method);
		return;
	}
	Node params = top.object("params");
	const std::string_view channel = params.string("channel");
	if (cut_prefix(channel, "trades.")) {
		read_trades(m, params);
	} else if (cut_prefix(channel, "ticker.")) {
		read_ticker(m, params);
	} else if (cut_prefix(channel, "book.")) {
		read_book(m, params);
	} else {
		m.unknown("channel", channel);
	}
}
