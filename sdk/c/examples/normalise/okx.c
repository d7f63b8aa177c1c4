/* OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket */
#include <string.h>

#include "event.h"
#include "exchanges.h"

static const char *const sides[] = {"buy", "sell", NULL};
static const char *const actions[] = {"snapshot", "update", NULL};
static const char *const truths[] = {"0", "1", NULL};

/* read_answer reads the answer to a request. */
static void read_answer(struct message *m, const struct field *top) {
	struct text event = as_string(member(top, "event"));
	struct status e = {.head.exchange = "okx", .channels = no_field()};
	if (text_equal(event, "subscribe")) {
		e.event = "subscribe";
	} else if (text_equal(event, "unsubscribe")) {
		e.event = "unsubscribe";
	} else if (text_equal(event, "error")) {
		e.event = "error";
	} else {
		message_unknown(m, "event", event);
		return;
	}
	m->where = "okx event";
	if (strcmp(e.event, "error") != 0 || has(top, "arg")) {
		struct field arg = as_object(member(top, "arg"));
		e.head.symbol = as_string(if_sent(member(&arg, "instId"))); /* a channel may be about a kind of instrument */
		e.channel = as_string(member(&arg, "channel"));
	}
	e.code = as_string(if_sent(member(top, "code")));
	e.message = as_string(if_sent(member(top, "msg")));
	write_status(m, &e);
}

static void read_trades(struct message *m, const struct field *top) {
	m->where = "okx trades";
	struct field data = as_entries(member(top, "data"));
	for (struct field entry = first(&data); !is_absent(&entry) && !m->failed; entry = next(&entry)) {
		struct field o = as_object(entry);
		struct trade e = {.head.exchange = "okx"};
		e.head.symbol = as_string(member(&o, "instId"));
		e.head.time = as_digits(member(&o, "ts"));
		e.id = as_string(member(&o, "tradeId"));
		e.price = as_decimal(member(&o, "px"));
		e.size = as_decimal(member(&o, "sz"));
		e.side = one_of(member(&o, "side"), sides);
		write_trade(m, &e);
	}
}

static void read_tickers(struct message *m, const struct field *top) {
	m->where = "okx tickers";
	struct field data = as_entries(member(top, "data"));
	for (struct field entry = first(&data); !is_absent(&entry) && !m->failed; entry = next(&entry)) {
		struct field o = as_object(entry);
		struct ticker e = {.head.exchange = "okx"};
		e.head.symbol = as_string(member(&o, "instId"));
		e.head.time = as_digits(member(&o, "ts"));
		e.bid = as_decimal(or_null(member(&o, "bidPx")));
		e.bid_size = as_decimal(or_null(member(&o, "bidSz")));
		e.ask = as_decimal(or_null(member(&o, "askPx")));
		e.ask_size = as_decimal(or_null(member(&o, "askSz")));
		e.last = as_decimal(or_null(member(&o, "last")));
		e.last_size = as_decimal(or_null(member(&o, "lastSz")));
		e.open = as_decimal(or_null(member(&o, "open24h")));
		e.high = as_decimal(or_null(member(&o, "high24h")));
		e.low = as_decimal(or_null(member(&o, "low24h")));
		e.volume = as_decimal(or_null(member(&o, "vol24h")));
		write_ticker(m, &e);
	}
}

/* read_books reads an order book. A channel that sends the whole book each time names no action. */
static void read_books(struct message *m, const struct field *top, const struct field *arg, struct field action) {
	m->where = "okx books";
	struct text symbol = as_string(member(arg, "instId"));
	const char *act = one_of(action, actions);
	if (act[0] == '\0') {
		act = "snapshot";
	}
	struct field data = as_entries(member(top, "data"));
	for (struct field entry = first(&data); !is_absent(&entry) && !m->failed; entry = next(&entry)) {
		struct field o = as_object(entry);
		struct book e = {.head.exchange = "okx", .action = act, .price_level = decimal_level};
		e.head.symbol = symbol;
		e.head.time = as_digits(member(&o, "ts"));
		e.first_seq = as_integer(if_sent(member(&o, "prevSeqId")));
		e.last_seq = as_integer(if_sent(member(&o, "seqId")));
		e.bids = member(&o, "bids");
		e.asks = member(&o, "asks");
		write_book(m, &e);
	}
}

/* read_candles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over]. */
static void read_candles(struct message *m, const struct field *top, const struct field *arg, struct text interval) {
	m->where = "okx candle";
	struct text symbol = as_string(member(arg, "instId"));
	struct field data = as_entries(member(top, "data"));
	for (struct field entry = first(&data); !is_absent(&entry) && !m->failed; entry = next(&entry)) {
		struct field row = as_array(entry);
		struct field open_time = first(&row);
		struct field open = next(&open_time);
		struct field high = next(&open);
		struct field low = next(&high);
		struct field close = next(&low);
		struct field volume = next(&close);
		struct field coins = next(&volume);
		struct field quote_volume = next(&coins);
		struct field over = next(&quote_volume);
		struct candle e = {.head.exchange = "okx", .head.symbol = symbol, .interval = interval};
		e.open_time = as_digits(open_time);
		e.open = as_decimal(open);
		e.high = as_decimal(high);
		e.low = as_decimal(low);
		e.close = as_decimal(close);
		e.volume = as_decimal(volume);
		e.quote_volume = as_decimal(quote_volume);
		e.closed = strcmp(one_of(over, truths), "1") == 0;
		write_candle(m, &e);
	}
}

void read_okx(struct message *m, const struct field *top) {
	m->where = "okx";
	if (has(top, "event")) {
		read_answer(m, top);
		return;
	}
	struct field arg = as_object(member(top, "arg"));
	struct text channel = as_string(member(&arg, "channel"));
	struct text interval;
	if (text_cut_prefix(channel, "candle", &interval) && interval.length > 0) {
		read_candles(m, top, &arg, interval);
	} else if (text_equal(channel, "trades")) {
		read_trades(m, top);
	} else if (text_equal(channel, "tickers")) {
		read_tickers(m, top);
	} else if (text_equal(channel, "books") || text_equal(channel, "books-l2-tbt") ||
			text_equal(channel, "books50-l2-tbt")) {
		read_books(m, top, &arg, member(top, "action"));
	} else if (text_equal(channel, "books5") || text_equal(channel, "bbo-tbt")) {
		read_books(m, top, &arg, if_sent(member(top, "action")));
	} else {
		message_unknown(m, "channel", channel);
	}
}
