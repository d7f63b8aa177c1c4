/* A message and the nodes of its JSON, from which its fields are read. */
#ifndef NODE_H
#define NODE_H

#include "json.h"

struct buffer {
	char *at;
	size_t length, capacity;
};

/* A message is one input on its way to events. The first failure stays; from then on readers return
 * nothing and what is written is thrown away, so no caller has to look before the end. */
struct message {
	struct text text;
	struct tokens tokens;
	const char *where; /* the exchange and the kind of message, for failures */
	bool failed;
	char failure[256]; /* longer than any there is: keys are ours, excerpts are bounded */
	size_t failure_length;
	struct buffer out;
	struct block *blocks; /* what message_alloc gave out */
};

/* message_fail keeps the first failure. */
void message_fail(struct message *m, const char *failure);

/* message_not_json fails with what json_scan found. */
void message_not_json(struct message *m, struct json_problem problem);

/* message_unknown fails on a value that is none of those this plugin knows. */
void message_unknown(struct message *m, const char *noun, struct text content);

/* message_alloc returns memory that lives as long as the message, or fails the message and returns
 * NULL. */
char *message_alloc(struct message *m, size_t size);

/* message_free frees what the message owns; the text is its caller's. */
void message_free(struct message *m);

/* ABSENT is the token of a node or a value the message does not have. */
#define ABSENT UINT32_MAX

/* A lack is what the values of a node may do without. */
enum lack {
	COMPLETE,
	WITH_NULLS, /* they may be null, or "", which is how OKX writes null */
	WITH_GAPS   /* they may be null, or missing */
};

/* A node is an object or an array of the message together with the way to it, which failures name. */
struct node {
	struct message *m;
	const struct node *parent; /* outlives the node */
	const char *key;           /* of this node in an object, or NEXT */
	uint32_t index;            /* of this node in an array */
	uint32_t token;            /* ABSENT when there is no such node: it has no contents */
	uint32_t cursor;           /* the token of the next element */
	uint32_t taken;            /* how many elements were */
	enum lack lack;
};

/* top_node is the whole message, an object. */
struct node top_node(struct message *m);

/* no_node is no node. */
struct node no_node(void);

/* or_null and if_sent are the same node, whose values may be null or missing. */
struct node or_null(const struct node *node);
struct node if_sent(const struct node *node);

/* has reports whether an object has the key. */
bool has(const struct node *object, const char *key);

/* more reports whether there is another element to take. */
bool more(const struct node *array);

/* What follows reads a value. A reader of an object is given a key; a reader of an array is given NEXT,
 * and takes one element after the other. Readers return plain text: of a string what stands between the
 * quotes, of a number its digits. They return the empty text for a value that is null or not there, where
 * the node allows that, and after a failure. */
#define NEXT NULL

/* get_object and get_array return a value that is one. get_entries is an array with an element at least:
 * a message without data would say nothing. */
struct node get_object(struct node *node, const char *key);
struct node get_array(struct node *node, const char *key);
struct node get_entries(struct node *node, const char *key);

/* get_raw returns a value as it stands in the message. */
struct text get_raw(struct node *node, const char *key);

/* get_string returns the content of a string, its escapes kept. An empty string is refused: here strings
 * are names, ids and reasons. */
struct text get_string(struct node *node, const char *key);

/* get_integer returns a number without fraction, get_digits the integer in a string. */
struct text get_integer(struct node *node, const char *key);
struct text get_digits(struct node *node, const char *key);

/* get_number returns a number as a plain decimal, get_decimal the number in a string. */
struct text get_number(struct node *node, const char *key);
struct text get_decimal(struct node *node, const char *key);

bool get_bool(struct node *node, const char *key);

/* get_one_of returns the word among words, a list that NULL ends, that a string holds, or "". */
const char *get_one_of(struct node *node, const char *key, const char *const *words);

/* wrong fails with what a value, the member with that key or the element taken last, should have been
 * and what it is. */
void wrong(const struct node *node, const char *key, const char *noun, struct text text);

#endif
