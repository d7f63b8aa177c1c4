/* OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket */
#include <string.h>

#include "event.h"
#include "exchanges.h"

static const char *const sides[] = {"buy", "sell", NULL};
static const char *const actions[] = {"snapshot", "update", NULL};
static const char *const truths[] = {"0", "1", NULL};

/* read_answer reads the answer to a request. */
static void read_answer(struct message *m, struct node *top) {
	struct text event = get_string(top, "event");
	struct status e = {.head.exchange = "okx", .channels = no_node()};
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
		struct node arg = get_object(top, "arg");
		e.head.symbol = as_string(if_sent(member(&arg, "instId"))); /* a channel may be about a kind of instrument */
		e.channel = get_string(&arg, "channel");
	}
	e.code = as_string(if_sent(member(top, "code")));
	e.message = as_string(if_sent(member(top, "msg")));
	write_status(m, &e);
}

static void read_trades(struct message *m, struct node *top) {
	m->where = "okx trades";
	struct node data = get_entries(top, "data");
	while (more(&data)) {
		struct node o = get_object(&data, NEXT);
		struct trade e = {.head.exchange = "okx"};
		e.head.symbol = get_string(&o, "instId");
		e.head.time = get_digits(&o, "ts");
		e.id = get_string(&o, "tradeId");
		e.price = get_decimal(&o, "px");
		e.size = get_decimal(&o, "sz");
		e.side = get_one_of(&o, "side", sides);
		write_trade(m, &e);
	}
}

static void read_tickers(struct message *m, struct node *top) {
	m->where = "okx tickers";
	struct node data = get_entries(top, "data");
	while (more(&data)) {
		struct node o = get_object(&data, NEXT);
		struct ticker e = {.head.exchange = "okx"};
		e.head.symbol = get_string(&o, "instId");
		e.head.time = get_digits(&o, "ts");
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
static void read_books(struct message *m, struct node *top, struct node *arg, struct node action) {
	m->where = "okx books";
	struct text symbol = get_string(arg, "instId");
	const char *act = one_of(action, actions);
	if (act[0] == '\0') {
		act = "snapshot";
	}
	struct node data = get_entries(top, "data");
	while (more(&data)) {
		struct node o = get_object(&data, NEXT);
		struct book e = {.head.exchange = "okx", .action = act, .price_level = decimal_level};
		e.head.symbol = symbol;
		e.head.time = get_digits(&o, "ts");
		e.first_seq = as_integer(if_sent(member(&o, "prevSeqId")));
		e.last_seq = as_integer(if_sent(member(&o, "seqId")));
		e.bids = member(&o, "bids");
		e.asks = member(&o, "asks");
		write_book(m, &e);
	}
}

/* read_candles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over]. */
static void read_candles(struct message *m, struct node *top, struct node *arg, struct text interval) {
	m->where = "okx candle";
	struct text symbol = get_string(arg, "instId");
	struct node data = get_entries(top, "data");
	for (struct node entry = first(&data); !is_absent(&entry) && !m->failed; entry = next(&entry)) {
		struct node row = as_array(entry);
		struct node open_time = first(&row);
		struct node open = next(&open_time);
		struct node high = next(&open);
		struct node low = next(&high);
		struct node close = next(&low);
		struct node volume = next(&close);
		struct node coins = next(&volume);
		struct node quote_volume = next(&coins);
		struct node over = next(&quote_volume);
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

void read_okx(struct message *m, struct node *top) {
	m->where = "okx";
	if (has(top, "event")) {
		read_answer(m, top);
		return;
	}
	struct node arg = get_object(top, "arg");
	struct text channel = get_string(&arg, "channel");
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
