/* A message, its fields, and how they are read. */
#ifndef FIELD_H
#define FIELD_H

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

/* ABSENT is the token of a field the message does not have. */
#define ABSENT UINT32_MAX

enum need { REQUIRED, NULLABLE, OPTIONAL };

/* A field is a value of the message together with the way to it, which failures name. */
struct field {
	struct message *m;
	const struct field *parent; /* outlives the field */
	const char *key;            /* the member's key, NULL for an element */
	uint32_t index;             /* the element's index */
	uint32_t token;
	enum need need;
};

/* top_field is the whole message, an object. */
struct field top_field(struct message *m);

/* no_field is no field at all. */
struct field no_field(void);

bool is_absent(const struct field *field);

/* member returns the member of an object. Of several with one key the last counts. */
struct field member(const struct field *object, const char *key);

bool has(const struct field *object, const char *key);

/* first returns the first element of an array, and next the element after one. */
struct field first(const struct field *array);
struct field next(const struct field *element);

/* or_null lets a value be null, or "", which is how OKX writes null. */
struct field or_null(struct field field);

/* if_sent lets a value be missing, or null. */
struct field if_sent(struct field field);

/* as_object and as_array return the field when it is one, and one without contents when it is not.
 * as_entries is an array with an element at least: a message without data would say nothing. */
struct field as_object(struct field field);
struct field as_array(struct field field);
struct field as_entries(struct field field);

/* The readers return plain text: of a string what stands between the quotes, of a number its digits.
 * They return the empty text for a value that is null or not there, where the field may be, and after a
 * failure. */

/* as_raw returns the value as it stands in the message. */
struct text as_raw(struct field field);

/* as_string returns the content of a string, its escapes kept. An empty string is refused: here strings
 * are names, ids and reasons. */
struct text as_string(struct field field);

/* as_integer returns a number without fraction, as_digits the integer in a string. */
struct text as_integer(struct field field);
struct text as_digits(struct field field);

/* as_number returns a number as a plain decimal, as_decimal the number in a string. */
struct text as_number(struct field field);
struct text as_decimal(struct field field);

bool as_bool(struct field field);

/* one_of returns the word among words, a list that NULL ends, that a string holds, or "". */
const char *one_of(struct field field, const char *const *words);

/* wrong fails with what the field should have been and what it is. */
void wrong(const struct field *field, const char *noun, struct text text);

#endif
