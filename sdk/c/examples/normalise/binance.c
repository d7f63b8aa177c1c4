/* Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
 * https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams */
#include "event.h"
#include "exchanges.h"

static void read_trade(struct message *m, const struct field *o, const char *id) {
	struct trade e = {.head.exchange = "binance"};
	e.head.symbol = as_string(member(o, "s"));
	e.head.time = as_integer(member(o, "T"));
	e.id = as_integer(member(o, id));
	e.price = as_decimal(member(o, "p"));
	e.size = as_decimal(member(o, "q"));
	e.side = as_bool(member(o, "m")) ? "sell" : "buy"; /* m: the buyer's order was in the book */
	write_trade(m, &e);
}

bool is_book_ticker(const struct field *o) {
	return has(o, "s") && has(o, "b") && has(o, "B") && has(o, "a") && has(o, "A");
}

static void read_book_ticker(struct message *m, const struct field *o) {
	m->where = "binance bookTicker";
	struct ticker e = {.head.exchange = "binance"};
	e.head.symbol = as_string(member(o, "s"));
	e.head.time = as_integer(if_sent(member(o, "E"))); /* futures send the time */
	e.bid = as_decimal(member(o, "b"));
	e.bid_size = as_decimal(member(o, "B"));
	e.ask = as_decimal(member(o, "a"));
	e.ask_size = as_decimal(member(o, "A"));
	write_ticker(m, &e);
}

static void read_day_ticker(struct message *m, const struct field *o) {
	m->where = "binance 24hrTicker";
	struct ticker e = {.head.exchange = "binance"};
	e.head.symbol = as_string(member(o, "s"));
	e.head.time = as_integer(member(o, "E"));
	e.bid = as_decimal(member(o, "b"));
	e.bid_size = as_decimal(member(o, "B"));
	e.ask = as_decimal(member(o, "a"));
	e.ask_size = as_decimal(member(o, "A"));
	e.last = as_decimal(member(o, "c"));
	e.last_size = as_decimal(member(o, "Q"));
	e.open = as_decimal(member(o, "o"));
	e.high = as_decimal(member(o, "h"));
	e.low = as_decimal(member(o, "l"));
	e.volume = as_decimal(member(o, "v"));
	write_ticker(m, &e);
}

static void read_depth_update(struct message *m, const struct field *o) {
	m->where = "binance depthUpdate";
	struct book e = {.head.exchange = "binance", .action = "update", .price_level = decimal_level};
	e.head.symbol = as_string(member(o, "s"));
	e.head.time = as_integer(member(o, "E"));
	e.first_seq = as_integer(member(o, "U"));
	e.last_seq = as_integer(member(o, "u"));
	e.bids = member(o, "b");
	e.asks = member(o, "a");
	write_book(m, &e);
}

static void read_kline(struct message *m, const struct field *o) {
	m->where = "binance kline";
	struct candle e = {.head.exchange = "binance"};
	e.head.symbol = as_string(member(o, "s"));
	e.head.time = as_integer(member(o, "E"));
	struct field k = as_object(member(o, "k"));
	e.interval = as_string(member(&k, "i"));
	e.open_time = as_integer(member(&k, "t"));
	e.close_time = as_integer(member(&k, "T"));
	e.open = as_decimal(member(&k, "o"));
	e.high = as_decimal(member(&k, "h"));
	e.low = as_decimal(member(&k, "l"));
	e.close = as_decimal(member(&k, "c"));
	e.volume = as_decimal(member(&k, "v"));
	e.quote_volume = as_decimal(member(&k, "q"));
	e.trades = as_integer(member(&k, "n"));
	e.closed = as_bool(member(&k, "x"));
	write_candle(m, &e);
}

/* read_event reads the event of a stream, whose name is empty in raw streams. */
static void read_event(struct message *m, const struct field *o, struct text stream) {
	if (!has(o, "e")) {
		/* The best bid and offer is the one event of these that does not say what it is. */
		struct text name;
		if (stream.length == 0 || (text_after(stream, '@', &name) && text_equal(name, "bookTicker"))) {
			read_book_ticker(m, o);
		} else {
			message_unknown(m, "stream", stream);
		}
		return;
	}
	struct text event = as_string(member(o, "e"));
	if (text_equal(event, "trade")) {
		m->where = "binance trade";
		read_trade(m, o, "t");
	} else if (text_equal(event, "aggTrade")) {
		m->where = "binance aggTrade";
		read_trade(m, o, "a");
	} else if (text_equal(event, "bookTicker")) {
		read_book_ticker(m, o);
	} else if (text_equal(event, "24hrTicker")) {
		read_day_ticker(m, o);
	} else if (text_equal(event, "depthUpdate")) {
		read_depth_update(m, o);
	} else if (text_equal(event, "kline")) {
		read_kline(m, o);
	} else {
		message_unknown(m, "event", event);
	}
}

/* read_answer reads the answer to a request: {"result":null,"id":1} when it was granted. */
static void read_answer(struct message *m, const struct field *top) {
	m->where = "binance answer";
	struct status e = {.head.exchange = "binance", .event = "subscribe", .channels = no_field()};
	if (has(top, "error")) {
		struct field refusal = as_object(member(top, "error"));
		e.event = "error";
		e.code = as_integer(member(&refusal, "code"));
		e.message = as_string(member(&refusal, "msg"));
	} else {
		struct field result = member(top, "result");
		struct text text = as_raw(if_sent(result));
		if (text.length > 0) {
			wrong(&result, "null", text);
		}
	}
	write_status(m, &e);
}

void read_binance(struct message *m, const struct field *top) {
	m->where = "binance";
	if (has(top, "result") || has(top, "error")) {
		read_answer(m, top);
		return;
	}
	if (!has(top, "stream")) {
		read_event(m, top, (struct text){NULL, 0});
		return;
	}
	struct text stream = as_string(member(top, "stream"));
	struct field data = as_object(member(top, "data"));
	/* The path begins anew, so that a failure names a field alike in raw and combined streams. */
	data.parent = NULL;
	read_event(m, &data, stream);
}
