/* The events. Prices, sizes and volumes are the exchange's decimals, to the digit; times are milliseconds since
 * 1970 in UTC. The empty text becomes null. */
#pragma once

#include <string>
#include <string_view>

#include "node.hpp"

/* A Head is what every event begins with. */
struct Head {
	std::string_view exchange;
	std::string_view symbol; /* null for a status that is about no single symbol */
	std::string_view time;   /* null when the exchange sent none */
};

/* A Trade is one execution, or several of one order that the exchange added up. */
struct Trade {
	Head head;
	std::string_view id;
	std::string price, size;
	std::string_view side; /* buy or sell: what the order that met the book did */
};

/* A Ticker is the best bid and offer, or the summary of a day. */
struct Ticker {
	Head head;
	std::string bid, bid_size, ask, ask_size;
	std::string last, last_size;
	std::string open, high, low, volume;    /* over the last 24 hours */
	std::string mark, index, open_interest; /* of derivatives */
};

/* A Layout is how an exchange writes a price level. */
enum class Layout {
	sized, /* ["price","size",...] */
	stated /* ["new",price,size], where new may be change or delete */
};

/* A Book is the order book or a change to it. A level of size zero is gone from the book. */
struct Book {
	Head head;
	std::string_view action;              /* snapshot or update */
	std::string_view first_seq, last_seq; /* the exchange's sequence numbers: an update follows on first_seq */
	Node bids, asks;
	Layout layout;
};

/* A Candle is the trading of one interval. */
struct Candle {
	Head head;
	std::string_view interval;
	std::string_view open_time, close_time;
	std::string open, high, low, close;
	std::string volume, quote_volume;
	std::string_view trades; /* how many */
	bool closed = false;     /* the interval is over */
};

/* A Status is the exchange's answer to a request. */
struct Status {
	Head head;
	std::string_view event;   /* subscribe, unsubscribe or error */
	std::string_view channel; /* what it is about: one channel, */
	Node channels;            /* or an array of them, or none */
	std::string_view code, text; /* of an error */
};

void write(Message &m, const Trade &e);
void write(Message &m, const Ticker &e);
void write(Message &m, Book e);
void write(Message &m, const Candle &e);
void write(Message &m, Status e);
