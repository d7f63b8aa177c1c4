/* A JSON document as a list of tokens, and the characters of its strings. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text is a piece of the message, or of another text that outlives it. The empty text stands for a
 * value that is null or not there. */
struct text {
	const char *at;
	size_t length;
};

/* A token is a value or a key of a document. The tokens of a document stand in the order of its text,
 * a container before its contents: for an object a key and a value for each member, for an array a
 * value for each element. */
struct token {
	uint32_t start, end; /* the token's text, with its quotes or brackets */
	uint32_t next;       /* the token after this one and its contents */
};

struct tokens {
	struct token *at; /* the caller frees it */
	uint32_t count, capacity;
	bool escapes; /* some string has one */
};

/* A json_problem is what is wrong with a text and the offset of the offending byte, or NO_OFFSET. */
struct json_problem {
	const char *what; /* NULL when nothing is */
	size_t offset;
};

#define NO_OFFSET SIZE_MAX

/* json_scan checks that text is a JSON object (RFC 8259, in UTF-8, nested 64 levels at most) and fills
 * tokens, which begin as zero. */
struct json_problem json_scan(struct text text, struct tokens *tokens);

/* json_number reports whether text is what JSON takes for a number, and sets mantissa to the length of
 * what is before its exponent. */
bool json_number(struct text text, size_t *mantissa);

/* What follows reads the content of a checked string, the text between its quotes, in which a character
 * may be written as an escape: "\u0045" is the key "E". Words, prefixes and c are ASCII. */

/* text_equal reports whether content stands for word. */
bool text_equal(struct text content, const char *word);

/* text_cut_prefix sets rest, which may be NULL, to what follows prefix in content, and reports false
 * when content does not begin with it. */
bool text_cut_prefix(struct text content, const char *prefix, struct text *rest);

/* text_after sets rest to what follows the first c in content. */
bool text_after(struct text content, char c, struct text *rest);

static inline bool is_digit(char c) { return '0' <= c && c <= '9'; }

#endif
