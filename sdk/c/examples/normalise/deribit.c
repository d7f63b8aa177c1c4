/* Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions */
#include <string.h>

#include "decimal.h"
#include "event.h"
#include "exchanges.h"

static const char *const directions[] = {"buy", "sell", NULL};
static const char *const types[] = {"snapshot", "change", NULL};
static const char *const level_actions[] = {"new", "change", "delete", NULL};

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
	e.head.time = milliseconds(as_integer(if_sent(member(top, "usOut"))));
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

static void read_trades(struct message *m, struct node data) {
	m->where = "deribit trades";
	data = as_entries(data);
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

static void read_ticker(struct message *m, struct node data) {
	m->where = "deribit ticker";
	struct node o = as_object(data);
	struct ticker e = {.head.exchange = "deribit"};
	e.head.symbol = get_string(&o, "instrument_name");
	e.head.time = get_integer(&o, "timestamp");
	struct node stats = get_object(&o, "stats");
	e.bid = as_number(or_null(member(&o, "best_bid_price")));
	e.bid_size = as_number(or_null(member(&o, "best_bid_amount")));
	e.ask = as_number(or_null(member(&o, "best_ask_price")));
	e.ask_size = as_number(or_null(member(&o, "best_ask_amount")));
	e.last = as_number(or_null(member(&o, "last_price")));
	e.high = as_number(or_null(member(&stats, "high")));
	e.low = as_number(or_null(member(&stats, "low")));
	e.volume = as_number(or_null(member(&stats, "volume")));
	e.mark = as_number(if_sent(member(&o, "mark_price"))); /* spot pairs send none of these three */
	e.index = as_number(if_sent(member(&o, "index_price")));
	e.open_interest = as_number(if_sent(member(&o, "open_interest")));
	write_ticker(m, &e);
}

/* deribit_level reads ["new", price, amount]. What was deleted has amount 0, as the events have it. */
static void deribit_level(struct node *level, struct text *price, struct text *size) {
	struct node action = first(level);
	struct node p = next(&action);
	struct node s = next(&p);
	*price = as_number(p);
	*size = as_number(s);
	if (strcmp(one_of(action, level_actions), "delete") == 0 && !is_zero(*size)) {
		wrong(&s, "0 in a level that is deleted", *size);
	}
}

static void read_book(struct message *m, struct node data) {
	m->where = "deribit book";
	struct node o = as_object(data);
	struct book e = {.head.exchange = "deribit", .action = "snapshot", .price_level = deribit_level};
	e.head.symbol = get_string(&o, "instrument_name");
	e.head.time = get_integer(&o, "timestamp");
	e.last_seq = get_integer(&o, "change_id");
	if (strcmp(get_one_of(&o, "type", types), "change") == 0) {
		e.action = "update";
		e.first_seq = get_integer(&o, "prev_change_id");
	}
	e.bids = member(&o, "bids");
	e.asks = member(&o, "asks");
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
	struct node data = member(&params, "data");
	if (text_cut_prefix(channel, "trades.", NULL)) {
		read_trades(m, data);
	} else if (text_cut_prefix(channel, "ticker.", NULL)) {
		read_ticker(m, data);
	} else if (text_cut_prefix(channel, "book.", NULL)) {
		read_book(m, data);
	} else {
		message_unknown(m, "channel", channel);
	}
}
