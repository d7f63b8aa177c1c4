/* The events. Prices, sizes and volumes are the exchange's decimals, to the digit; times are
 * milliseconds since 1970 in UTC. The empty text becomes null. */
#ifndef EVENT_H
#define EVENT_H

#include "node.h"

/* A head is what every event begins with. */
struct head {
	const char *exchange;
	struct text symbol; /* null for a status that is about no single symbol */
	struct text time;   /* null when the exchange sent none */
};

/* A trade is one execution, or several of one order that the exchange added up. */
struct trade {
	struct head head;
	struct text id, price, size;
	const char *side; /* buy or sell: what the order that met the book did */
};

/* A ticker is the best bid and offer, or the summary of a day. */
struct ticker {
	struct head head;
	struct text bid, bid_size, ask, ask_size;
	struct text last, last_size;
	struct text open, high, low, volume;   /* over the last 24 hours */
	struct text mark, index, open_interest; /* of derivatives */
};

/* A layout is how an exchange writes a price level. */
enum layout {
	SIZED, /* ["price","size",...] */
	STATED /* ["new",price,size], where new may be change or delete */
};

/* A book is the order book or a change to it. A level of size zero is gone from the book. */
struct book {
	struct head head;
	const char *action;             /* snapshot or update */
	struct text first_seq, last_seq; /* the exchange's sequence numbers: an update follows on first_seq */
	struct node bids, asks;
	enum layout layout;
};

/* A candle is the trading of one interval. */
struct candle {
	struct head head;
	struct text interval;
	struct text open_time, close_time;
	struct text open, high, low, close;
	struct text volume, quote_volume;
	struct text trades; /* how many */
	bool closed;        /* the interval is over */
};

/* A status is the exchange's answer to a request. */
struct status {
	struct head head;
	const char *event;         /* subscribe, unsubscribe or error */
	struct text channel;       /* what it is about: one channel, */
	struct node channels;     /* or an array of them, or no_node */
	struct text code, message; /* of an error */
};

void write_trade(struct message *m, const struct trade *e);
void write_ticker(struct message *m, const struct ticker *e);
void write_book(struct message *m, const struct book *e);
void write_candle(struct message *m, const struct candle *e);
void write_status(struct message *m, const struct status *e);

#endif
