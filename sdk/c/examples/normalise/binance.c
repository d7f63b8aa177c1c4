/* Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
 * https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams */
#include "event.h"
#include "exchanges.h"

static void read_trade(struct message *m, struct node *o, const char *id) {
	struct trade e = {.head.exchange = "binance"};
	e.head.symbol = get_string(o, "s");
	e.head.time = get_integer(o, "T");
	e.id = get_integer(o, id);
	e.price = get_decimal(o, "p");
	e.size = get_decimal(o, "q");
	e.side = get_bool(o, "m") ? "sell" : "buy"; /* m: the buyer's order was in the book */
	write_trade(m, &e);
}

bool is_book_ticker(struct node *o) {
	return has(o, "s") && has(o, "b") && has(o, "B") && has(o, "a") && has(o, "A");
}

static void read_book_ticker(struct message *m, struct node *o) {
	m->where = "binance bookTicker";
	struct node sent = if_sent(o);
	struct ticker e = {.head.exchange = "binance"};
	e.head.symbol = get_string(o, "s");
	e.head.time = get_integer(&sent, "E"); /* futures send the time */
	e.bid = get_decimal(o, "b");
	e.bid_size = get_decimal(o, "B");
	e.ask = get_decimal(o, "a");
	e.ask_size = get_decimal(o, "A");
	write_ticker(m, &e);
}

static void read_day_ticker(struct message *m, struct node *o) {
	m->where = "binance 24hrTicker";
	struct ticker e = {.head.exchange = "binance"};
	e.head.symbol = get_string(o, "s");
	e.head.time = get_integer(o, "E");
	e.bid = get_decimal(o, "b");
	e.bid_size = get_decimal(o, "B");
	e.ask = get_decimal(o, "a");
	e.ask_size = get_decimal(o, "A");
	e.last = get_decimal(o, "c");
	e.last_size = get_decimal(o, "Q");
	e.open = get_decimal(o, "o");
	e.high = get_decimal(o, "h");
	e.low = get_decimal(o, "l");
	e.volume = get_decimal(o, "v");
	write_ticker(m, &e);
}

static void read_depth_update(struct message *m, struct node *o) {
	m->where = "binance depthUpdate";
	struct book e = {.head.exchange = "binance", .action = "update", .layout = SIZED};
	e.head.symbol = get_string(o, "s");
	e.head.time = get_integer(o, "E");
	e.first_seq = get_integer(o, "U");
	e.last_seq = get_integer(o, "u");
	e.bids = get_array(o, "b");
	e.asks = get_array(o, "a");
	write_book(m, &e);
}

static void read_kline(struct message *m, struct node *o) {
	m->where = "binance kline";
	struct candle e = {.head.exchange = "binance"};
	e.head.symbol = get_string(o, "s");
	e.head.time = get_integer(o, "E");
	struct node k = get_object(o, "k");
	e.interval = get_string(&k, "i");
	e.open_time = get_integer(&k, "t");
	e.close_time = get_integer(&k, "T");
	e.open = get_decimal(&k, "o");
	e.high = get_decimal(&k, "h");
	e.low = get_decimal(&k, "l");
	e.close = get_decimal(&k, "c");
	e.volume = get_decimal(&k, "v");
	e.quote_volume = get_decimal(&k, "q");
	e.trades = get_integer(&k, "n");
	e.closed = get_bool(&k, "x");
	write_candle(m, &e);
}

/* read_event reads the event of a stream, whose name is empty in raw streams. */
static void read_event(struct message *m, struct node *o, struct text stream) {
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
	struct text event = get_string(o, "e");
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
static void read_answer(struct message *m, struct node *top) {
	m->where = "binance answer";
	struct status e = {.head.exchange = "binance", .event = "subscribe", .channels = no_node()};
	if (has(top, "error")) {
		struct node refusal = get_object(top, "error");
		e.event = "error";
		e.code = get_integer(&refusal, "code");
		e.message = get_string(&refusal, "msg");
	} else {
		struct text result = get_raw(top, "result");
		if (!text_equal(result, "null")) {
			wrong(top, "result", "null", result);
		}
	}
	write_status(m, &e);
}

void read_binance(struct message *m, struct node *top) {
	m->where = "binance";
	if (has(top, "result") || has(top, "error")) {
		read_answer(m, top);
		return;
	}
	if (!has(top, "stream")) {
		read_event(m, top, (struct text){NULL, 0});
		return;
	}
	struct text stream = get_string(top, "stream");
	struct node data = get_object(top, "data");
	/* The path begins anew, so that a failure names a field alike in raw and combined streams. */
	data.parent = NULL;
	read_event(m, &data, stream);
}
