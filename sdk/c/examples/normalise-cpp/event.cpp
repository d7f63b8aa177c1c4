#include "event.hpp"

#include "decimal.hpp"

namespace {

/* value writes a string. */
void value(Message &m, std::string_view text) {
	if (text.empty()) {
		m.out += "null";
		return;
	}
	m.out += '"';
	m.out += text;
	m.out += '"';
}

void key(Message &m, std::string_view name) {
	m.out += ",\"";
	m.out += name;
	m.out += "\":";
}

/* quoted writes a member whose value is a string. */
void quoted(Message &m, std::string_view name, std::string_view text) {
	key(m, name);
	value(m, text);
}

/* plain writes a member whose value is a number or a truth value. */
void plain(Message &m, std::string_view name, std::string_view text) {
	key(m, name);
	m.out += text.empty() ? "null" : text;
}

void begin(Message &m, const Head &head, std::string_view type) {
	m.out += "{\"exchange\":\"";
	m.out += head.exchange;
	m.out += "\",\"type\":\"";
	m.out += type;
	m.out += '"';
	quoted(m, "symbol", head.symbol);
	plain(m, "ts_ms", head.time);
}

void end(Message &m) { m.out += "}\n"; }

struct Level {
	std::string price, size;
};

Level read_level(Node level, Layout layout) {
	Level read;
	if (layout == Layout::sized) {
		read.price = level.decimal(NEXT);
		read.size = level.decimal(NEXT);
		return read;
	}
	const std::string_view state = level.one_of(NEXT, {"new", "change", "delete"});
	read.price = level.number(NEXT);
	read.size = level.number(NEXT);
	/* What was deleted has size 0, which is how the events say so. */
	if (state == "delete" && !is_zero(read.size)) {
		level.wrong(NEXT, "0 in a level that is deleted", read.size);
	}
	return read;
}

void levels(Message &m, std::string_view name, Node &side, Layout layout) {
	key(m, name);
	m.out += '[';
	for (bool later = false; side.more(); later = true) {
		const Level level = read_level(side.array(NEXT), layout);
		m.out += later ? ",[\"" : "[\"";
		m.out += level.price;
		m.out += "\",\"";
		m.out += level.size;
		m.out += "\"]";
	}
	m.out += ']';
}

} // namespace

void write(Message &m, const Trade &e) {
	begin(m, e.head, "trade");
	quoted(m, "id", e.id);
	quoted(m, "price", e.price);
	quoted(m, "size", e.size);
	quoted(m, "side", e.side);
	end(m);
}

void write(Message &m, const Ticker &e) {
	begin(m, e.head, "ticker");
	quoted(m, "bid", e.bid);
	quoted(m, "bid_size", e.bid_size);
	quoted(m, "ask", e.ask);
	quoted(m, "ask_size", e.ask_size);
	quoted(m, "last", e.last);
	quoted(m, "last_size", e.last_size);
	quoted(m, "open_24h", e.open);
	quoted(m, "high_24h", e.high);
	quoted(m, "low_24h", e.low);
	quoted(m, "volume_24h", e.volume);
	quoted(m, "mark", e.mark);
	quoted(m, "index", e.index);
	quoted(m, "open_interest", e.open_interest);
	end(m);
}

void write(Message &m, Book e) {
	begin(m, e.head, "book");
	quoted(m, "action", e.action);
	plain(m, "first_seq", e.first_seq);
	plain(m, "last_seq", e.last_seq);
	levels(m, "bids", e.bids, e.layout);
	levels(m, "asks", e.asks, e.layout);
	end(m);
}

void write(Message &m, const Candle &e) {
	begin(m, e.head, "candle");
	quoted(m, "interval", e.interval);
	plain(m, "open_ms", e.open_time);
	plain(m, "close_ms", e.close_time);
	quoted(m, "open", e.open);
	quoted(m, "high", e.high);
	quoted(m, "low", e.low);
	quoted(m, "close", e.close);
	quoted(m, "volume", e.volume);
	quoted(m, "quote_volume", e.quote_volume);
	plain(m, "trades", e.trades);
	plain(m, "closed", e.closed ? "true" : "false");
	end(m);
}

void write(Message &m, Status e) {
	begin(m, e.head, "status");
	quoted(m, "event", e.event);
	key(m, "channels");
	m.out += '[';
	if (!e.channel.empty()) {
		value(m, e.channel);
	}
	for (bool later = false; e.channels.more(); later = true) {
		m.out += later ? "," : "";
		value(m, e.channels.string(NEXT));
	}
	m.out += ']';
	quoted(m, "code", e.code);
	quoted(m, "message", e.text);
	end(m);
}
