#include "event.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

static void write(struct message *m, const char *at, size_t length) {
	struct buffer *out = &m->out;
	if (length == 0 || m->failed) {
		return;
	}
	if (length > out->capacity - out->length) {
		size_t capacity = out->capacity * 2 + length + m->text.length + 256;
		char *bytes = realloc(out->at, capacity);
		if (bytes == NULL) {
			message_fail(m, "out of memory");
			return;
		}
		out->at = bytes;
		out->capacity = capacity;
	}
	memcpy(out->at + out->length, at, length);
	out->length += length;
}

static void write_words(struct message *m, const char *words) { write(m, words, strlen(words)); }

static void write_key(struct message *m, const char *key) {
	write_words(m, ",\"");
	write_words(m, key);
	write_words(m, "\":");
}

/* write_string writes a text between quotes. */
static void write_string(struct message *m, struct text text) {
	if (text.length == 0) {
		write_words(m, "null");
		return;
	}
	write_words(m, "\"");
	write(m, text.at, text.length);
	write_words(m, "\"");
}

/* write_quoted writes a member whose value is a string. */
static void write_quoted(struct message *m, const char *key, struct text text) {
	write_key(m, key);
	write_string(m, text);
}

static void write_word(struct message *m, const char *key, const char *word) {
	write_quoted(m, key, (struct text){word, strlen(word)});
}

/* write_plain writes a member whose value is a number. */
static void write_plain(struct message *m, const char *key, struct text text) {
	write_key(m, key);
	if (text.length == 0) {
		write_words(m, "null");
		return;
	}
	write(m, text.at, text.length);
}

static void write_begin(struct message *m, const struct head *head, const char *kind) {
	write_words(m, "{\"exchange\":\"");
	write_words(m, head->exchange);
	write_words(m, "\",\"type\":\"");
	write_words(m, kind);
	write_words(m, "\"");
	write_quoted(m, "symbol", head->symbol);
	write_plain(m, "ts_ms", head->time);
}

static void write_end(struct message *m) { write_words(m, "}\n"); }

void write_trade(struct message *m, const struct trade *e) {
	write_begin(m, &e->head, "trade");
	write_quoted(m, "id", e->id);
	write_quoted(m, "price", e->price);
	write_quoted(m, "size", e->size);
	write_word(m, "side", e->side);
	write_end(m);
}

void write_ticker(struct message *m, const struct ticker *e) {
	write_begin(m, &e->head, "ticker");
	write_quoted(m, "bid", e->bid);
	write_quoted(m, "bid_size", e->bid_size);
	write_quoted(m, "ask", e->ask);
	write_quoted(m, "ask_size", e->ask_size);
	write_quoted(m, "last", e->last);
	write_quoted(m, "last_size", e->last_size);
	write_quoted(m, "open_24h", e->open);
	write_quoted(m, "high_24h", e->high);
	write_quoted(m, "low_24h", e->low);
	write_quoted(m, "volume_24h", e->volume);
	write_quoted(m, "mark", e->mark);
	write_quoted(m, "index", e->index);
	write_quoted(m, "open_interest", e->open_interest);
	write_end(m);
}

static void get_level(struct node *level, enum layout layout, struct text *price, struct text *size) {
	static const char *const states[] = {"new", "change", "delete", NULL};
	if (layout == SIZED) {
		*price = get_decimal(level, NEXT);
		*size = get_decimal(level, NEXT);
		return;
	}
	const char *state = get_one_of(level, NEXT, states);
	*price = get_number(level, NEXT);
	*size = get_number(level, NEXT);
	/* What was deleted has size 0, which is how the events say so. */
	if (strcmp(state, "delete") == 0 && !is_zero(*size)) {
		wrong(level, NEXT, "0 in a level that is deleted", *size);
	}
}

static void write_levels(struct message *m, const char *key, struct node side, enum layout layout) {
	write_key(m, key);
	write_words(m, "[");
	for (bool later = false; more(&side); later = true) {
		struct node level = get_array(&side, NEXT);
		struct text price, size;
		get_level(&level, layout, &price, &size);
		write_words(m, later ? ",[\"" : "[\"");
		write(m, price.at, price.length);
		write_words(m, "\",\"");
		write(m, size.at, size.length);
		write_words(m, "\"]");
	}
	write_words(m, "]");
}

void write_book(struct message *m, const struct book *e) {
	write_begin(m, &e->head, "book");
	write_word(m, "action", e->action);
	write_plain(m, "first_seq", e->first_seq);
	write_plain(m, "last_seq", e->last_seq);
	write_levels(m, "bids", e->bids, e->layout);
	write_levels(m, "asks", e->asks, e->layout);
	write_end(m);
}

void write_candle(struct message *m, const struct candle *e) {
	write_begin(m, &e->head, "candle");
	write_quoted(m, "interval", e->interval);
	write_plain(m, "open_ms", e->open_time);
	write_plain(m, "close_ms", e->close_time);
	write_quoted(m, "open", e->open);
	write_quoted(m, "high", e->high);
	write_quoted(m, "low", e->low);
	write_quoted(m, "close", e->close);
	write_quoted(m, "volume", e->volume);
	write_quoted(m, "quote_volume", e->quote_volume);
	write_plain(m, "trades", e->trades);
	write_key(m, "closed");
	write_words(m, e->closed ? "true" : "false");
	write_end(m);
}

/* write_channels writes one channel, when there is one, and then those of an array. */
static void write_channels(struct message *m, struct text one, struct node many) {
	write_key(m, "channels");
	write_words(m, "[");
	if (one.length > 0) {
		write_string(m, one);
	}
	for (bool later = false; more(&many); later = true) {
		if (later) {
			write_words(m, ",");
		}
		write_string(m, get_string(&many, NEXT));
	}
	write_words(m, "]");
}

void write_status(struct message *m, const struct status *e) {
	write_begin(m, &e->head, "status");
	write_word(m, "event", e->event);
	write_channels(m, e->channel, e->channels);
	write_quoted(m, "code", e->code);
	write_quoted(m, "message", e->message);
	write_end(m);
}
