/* Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions */
#include <string.h>

#include "event.h"
#include "exchanges.h"

static const char *const directions[] = {"buy", "sell", NULL};
static const char *const types[] = {"snapshot", "change", NULL};

/* milliseconds drops the last three digits of a time in microseconds. */
static struct text milliseconds(struct text microseconds) {
	if (microseconds.length == 0) {
		return microseconds;
	}
	size_t length = microseconds.length > 3 ? microseconds.length - 3 : 0;
	if (length == 0 || (length == 1 && microseconds.at[0] == '-')) {
		return (struct text){"0", 1};
	}
	return (struct text){microseconds.at, length};
}

/* read_answer reads the answer to a subscription, which lists the channels subscribed to. */
static void read_answer(struct message *m, struct node *top) {
	m->where = "deribit answer";
	struct status e = {.head.exchange = "deribit", .event = "subscribe", .channels = no_node()};
	struct node sent = if_sent(top);
	e.head.time = milliseconds(get_integer(&sent, "usOut"));
	if (has(top, "error")) {
		struct node refusal = get_object(top, "error");
		e.event = "error";
		e.code = get_integer(&refusal, "code");
		e.message = get_string(&refusal, "message");
	} else {
		e.channels = get_array(top, "result");
	}
	write_status(m, &e);
}

static void read_trades(struct message *m, struct node *params) {
	m->where = "deribit trades";
	struct node data = get_entries(params, "data");
	while (more(&data)) {
		struct node o = get_object(&data, NEXT);
		struct trade e = {.head.exchange = "deribit"};
		e.head.symbol = get_string(&o, "instrument_name");
		e.head.time = get_integer(&o, "timestamp");
		e.id = get_string(&o, "trade_id");
		e.price = get_number(&o, "price");
		e.size = get_number(&o, "amount");
		e.side = get_one_of(&o, "direction", directions);
		write_trade(m, &e);
	}
}

static void read_ticker(struct message *m, struct node *params) {
	m->where = "deribit ticker";
	struct node o = get_object(params, "data");
	struct ticker e = {.head.exchange = "deribit"};
	e.head.symbol = get_string(&o, "instrument_name");
	e.head.time = get_integer(&o, "timestamp");
	struct node stats = get_object(&o, "stats");
	struct node nullable = or_null(&o);
	struct node nullable_stats = or_null(&stats);
	struct node sent = if_sent(&o);
	e.bid = get_number(&nullable, "best_bid_price");
	e.bid_size = get_number(&nullable, "best_bid_amount");
	e.ask = get_number(&nullable, "best_ask_price");
	e.ask_size = get_number(&nullable, "best_ask_amount");
	e.last = get_number(&nullable, "last_price");
	e.high = get_number(&nullable_stats, "high");
	e.low = get_number(&nullable_stats, "low");
	e.volume = get_number(&nullable_stats, "volume");
	e.mark = get_number(&sent, "mark_price"); /* spot pairs send none of these three */
	e.index = get_number(&sent, "index_price");
	e.open_interest = get_number(&sent, "open_interest");
	write_ticker(m, &e);
}

static void read_book(struct message *m, struct node *params) {
	m->where = "deribit book";
	struct node o = get_object(params, "data");
	struct book e = {.head.exchange = "deribit", .action = "snapshot", .layout = STATED};
	e.head.symbol = get_string(&o, "instrument_name");
	e.head.time = get_integer(&o, "timestamp");
	if (strcmp(get_one_of(&o, "type", types), "change") == 0) {
		e.action = "update";
		e.first_seq = get_integer(&o, "prev_change_id");
	}
	e.last_seq = get_integer(&o, "change_id");
	e.bids = get_array(&o, "bids");
	e.asks = get_array(&o, "asks");
	write_book(m, &e);
}

void read_deribit(struct message *m, struct node *top) {
	m->where = "deribit";
	if (!has(top, "method")) {
		read_answer(m, top);
		return;
	}
	struct text method = get_string(top, "method");
	if (!text_equal(method, "subscription")) {
		message_unknown(m, "method", method);
		return;
	}
	struct node params = get_object(top, "params");
	struct text channel = get_string(&params, "channel");
	if (text_cut_prefix(channel, "trades.", NULL)) {
		read_trades(m, &params);
	} else if (text_cut_prefix(channel, "ticker.", NULL)) {
		read_ticker(m, &params);
	} else if (text_cut_prefix(channel, "book.", NULL)) {
		read_book(m, &params);
	} else {
		message_unknown(m, "channel", channel);
	}
}
