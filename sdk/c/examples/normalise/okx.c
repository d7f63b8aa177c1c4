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
		struct node arg_sent = if_sent(&arg);
		e.head.symbol = get_string(&arg_sent, "instId"); /* a channel may be about a kind of instrument */
		e.channel = get_string(&arg, "channel");
	}
	struct node sent = if_sent(top);
	e.code = get_string(&sent, "code");
	e.message = get_string(&sent, "msg");
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
		struct node nullable = or_null(&o);
		struct ticker e = {.head.exchange = "okx"};
		e.head.symbol = get_string(&o, "instId");
		e.head.time = get_digits(&o, "ts");
		e.bid = get_decimal(&nullable, "bidPx");
		e.bid_size = get_decimal(&nullable, "bidSz");
		e.ask = get_decimal(&nullable, "askPx");
		e.ask_size = get_decimal(&nullable, "askSz");
		e.last = get_decimal(&nullable, "last");
		e.last_size = get_decimal(&nullable, "lastSz");
		e.open = get_decimal(&nullable, "open24h");
		e.high = get_decimal(&nullable, "high24h");
		e.low = get_decimal(&nullable, "low24h");
		e.volume = get_decimal(&nullable, "vol24h");
		write_ticker(m, &e);
	}
}

/* read_books reads an order book. A channel that sends the whole book each time need not name the action. */
static void read_books(struct message *m, struct node *top, struct node *arg, struct node *action_of) {
	m->where = "okx books";
	struct text symbol = get_string(arg, "instId");
	const char *action = get_one_of(action_of, "action", actions);
	if (action[0] == '\0') {
		action = "snapshot";
	}
	struct node data = get_entries(top, "data");
	while (more(&data)) {
		struct node o = get_object(&data, NEXT);
		struct node sent = if_sent(&o);
		struct book e = {.head.exchange = "okx", .action = action, .layout = SIZED};
		e.head.symbol = symbol;
		e.head.time = get_digits(&o, "ts");
		e.first_seq = get_integer(&sent, "prevSeqId");
		e.last_seq = get_integer(&sent, "seqId");
		e.bids = get_array(&o, "bids");
		e.asks = get_array(&o, "asks");
		write_book(m, &e);
	}
}

/* read_candles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over]. */
static void read_candles(struct message *m, struct node *top, struct node *arg, struct text interval) {
	m->where = "okx candle";
	struct text symbol = get_string(arg, "instId");
	struct node data = get_entries(top, "data");
	while (more(&data)) {
		struct node row = get_array(&data, NEXT);
		struct candle e = {.head.exchange = "okx", .head.symbol = symbol, .interval = interval};
		e.open_time = get_digits(&row, NEXT);
		e.open = get_decimal(&row, NEXT);
		e.high = get_decimal(&row, NEXT);
		e.low = get_decimal(&row, NEXT);
		e.close = get_decimal(&row, NEXT);
		e.volume = get_decimal(&row, NEXT);
		get_decimal(&row, NEXT); /* the volume in coins */
		e.quote_volume = get_decimal(&row, NEXT);
		e.closed = strcmp(get_one_of(&row, NEXT, truths), "1") == 0;
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
		read_books(m, top, &arg, top);
	} else if (text_equal(channel, "books5") || text_equal(channel, "bbo-tbt")) {
		struct node sent = if_sent(top);
		read_books(m, top, &arg, &sent);
	} else {
		message_unknown(m, "channel", channel);
	}
}
