#include "json.h"

#include <stdlib.h>
#include <string.h>

/* max_depth bounds how deeply objects and arrays nest, and with it the recursion here. */
enum { max_depth = 64 };

/* A scanner reads a document from front to back. Its functions report false where the text stops being
 * JSON, and at is then the offending byte. */
struct scanner {
	struct text text;
	size_t at;
	struct tokens *tokens;
	const char *problem; /* set when it is neither an unexpected byte nor the end */
};

static const char out_of_memory[] = "out of memory";

static bool scan_value(struct scanner *s, int depth);

/* peek returns the byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it
 * is no valid character either, so the two need not be told apart. */
static char peek(const struct scanner *s) { return s->at == s->text.length ? '\0' : s->text.at[s->at]; }

static bool take(struct scanner *s, char c) {
	if (s->at == s->text.length || s->text.at[s->at] != c) {
		return false;
	}
	s->at++;
	return true;
}

static void skip_space(struct scanner *s) {
	while (s->at < s->text.length) {
		char c = s->text.at[s->at];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
			return;
		}
		s->at++;
	}
}

/* open_token begins a token here, and close_token ends it, with all that was read since as its
 * contents. */
static bool open_token(struct scanner *s, uint32_t *token) {
	struct tokens *tokens = s->tokens;
	if (tokens->count == tokens->capacity) {
		size_t capacity = tokens->capacity == 0 ? s->text.length / 8 + 16 : (size_t)tokens->capacity * 2;
		struct token *at = NULL;
		if (capacity <= UINT32_MAX / sizeof *at) {
			at = realloc(tokens->at, capacity * sizeof *at);
		}
		if (at == NULL) {
			s->problem = out_of_memory;
			return false;
		}
		tokens->at = at;
		tokens->capacity = (uint32_t)capacity;
	}
	*token = tokens->count++;
	tokens->at[*token].start = (uint32_t)s->at;
	return true;
}

static void close_token(struct scanner *s, uint32_t token) {
	s->tokens->at[token].end = (uint32_t)s->at;
	s->tokens->at[token].next = s->tokens->count;
}

/* character_size returns the bytes of the UTF-8 character at p, of which left may be read, or 0 when it
 * is none (RFC 3629, "Syntax of UTF-8 Byte Sequences"). */
static size_t character_size(const unsigned char *p, size_t left) {
	size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (size > left) {
		return 0;
	}
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool surrogate = p[0] == 0xed && p[1] > 0x9f;
	bool beyond_unicode = p[0] == 0xf4 && p[1] > 0x8f;
	return overlong || surrogate || beyond_unicode ? 0 : size;
}

/* hex_digit returns the value of a hexadecimal digit, -1 for any other byte. */
static int hex_digit(char c) {
	if (is_digit(c)) {
		return c - '0';
	}
	if ('a' <= c && c <= 'f') {
		return c - 'a' + 10;
	}
	if ('A' <= c && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

static bool scan_escape(struct scanner *s) {
	switch (peek(s)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		s->at++;
		return true;
	case 'u':
		s->at++;
		for (int i = 0; i < 4; i++) {
			if (hex_digit(peek(s)) < 0) {
				return false;
			}
			s->at++;
		}
		return true;
	default:
		return false;
	}
}

static bool scan_string(struct scanner *s) {
	s->at++;
	while (s->at < s->text.length) {
		unsigned char c = (unsigned char)s->text.at[s->at];
		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			s->at++;
			if (!scan_escape(s)) {
				return false;
			}
		} else if (c < 0x20) {
			return false;
		} else if (c < 0x80) {
			s->at++;
		} else {
			size_t size = character_size((const unsigned char *)s->text.at + s->at, s->text.length - s->at);
			if (size == 0) {
				s->problem = "not UTF-8";
				return false;
			}
			s->at += size;
		}
	}
	return false;
}

/* scan_digits steps over one digit or more. */
static bool scan_digits(struct scanner *s) {
	size_t from = s->at;
	while (is_digit(peek(s))) {
		s->at++;
	}
	return s->at > from;
}

static bool scan_number(struct scanner *s) {
	take(s, '-');
	if (!take(s, '0') && !scan_digits(s)) {
		return false;
	}
	if (take(s, '.') && !scan_digits(s)) {
		return false;
	}
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+')) {
			take(s, '-');
		}
		return scan_digits(s);
	}
	return true;
}

static bool scan_literal(struct scanner *s, const char *word) {
	for (; *word != '\0'; word++) {
		if (!take(s, *word)) {
			return false;
		}
	}
	return true;
}

/* enter steps over an opening bracket and the white space behind it. */
static bool enter(struct scanner *s, int depth) {
	if (depth > max_depth) {
		s->problem = "nested deeper than 64 levels";
		return false;
	}
	s->at++;
	skip_space(s);
	return true;
}

static bool scan_member(struct scanner *s, int depth) {
	uint32_t key;
	if (peek(s) != '"' || !open_token(s, &key) || !scan_string(s)) {
		return false;
	}
	close_token(s, key);
	skip_space(s);
	if (!take(s, ':')) {
		return false;
	}
	skip_space(s);
	return scan_value(s, depth);
}

static bool scan_object(struct scanner *s, int depth) {
	if (!enter(s, depth)) {
		return false;
	}
	if (take(s, '}')) {
		return true;
	}
	while (scan_member(s, depth)) {
		skip_space(s);
		if (take(s, '}')) {
			return true;
		}
		if (!take(s, ',')) {
			return false;
		}
		skip_space(s);
	}
	return false;
}

static bool scan_array(struct scanner *s, int depth) {
	if (!enter(s, depth)) {
		return false;
	}
	if (take(s, ']')) {
		return true;
	}
	while (scan_value(s, depth)) {
		skip_space(s);
		if (take(s, ']')) {
			return true;
		}
		if (!take(s, ',')) {
			return false;
		}
		skip_space(s);
	}
	return false;
}

static bool scan_value(struct scanner *s, int depth) {
	uint32_t token;
	if (!open_token(s, &token)) {
		return false;
	}
	bool ok;
	switch (peek(s)) {
	case '{':
		ok = scan_object(s, depth + 1);
		break;
	case '[':
		ok = scan_array(s, depth + 1);
		break;
	case '"':
		ok = scan_string(s);
		break;
	case 't':
		ok = scan_literal(s, "true");
		break;
	case 'f':
		ok = scan_literal(s, "false");
		break;
	case 'n':
		ok = scan_literal(s, "null");
		break;
	default:
		ok = scan_number(s);
	}
	close_token(s, token);
	return ok;
}

struct json_problem json_scan(struct text text, struct tokens *tokens) {
	struct scanner s = {.text = text, .tokens = tokens};
	skip_space(&s);
	if (peek(&s) != '{') {
		return (struct json_problem){"not a JSON object", NO_OFFSET};
	}
	if (scan_value(&s, 0)) {
		skip_space(&s);
		if (s.at == text.length) {
			return (struct json_problem){NULL, 0};
		}
	}
	if (s.problem == out_of_memory) {
		return (struct json_problem){out_of_memory, NO_OFFSET};
	}
	if (s.problem == NULL) {
		s.problem = s.at == text.length ? "cut off" : "unexpected byte";
	}
	return (struct json_problem){s.problem, s.at};
}

bool json_is_number(struct text text) {
	struct scanner s = {.text = text};
	return scan_number(&s) && s.at == text.length;
}

/* character returns the first character of content, which is not empty, and sets the bytes it takes. Of
 * a character that is neither ASCII nor an escape it returns the first byte, which is no ASCII
 * character's either. */
static int character(struct text content, size_t *size) {
	*size = 1;
	if (content.at[0] != '\\') {
		return (unsigned char)content.at[0];
	}
	*size = 2;
	switch (content.at[1]) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'u': {
		*size = 6;
		int c = 0;
		for (int i = 2; i < 6; i++) {
			c = c << 4 | hex_digit(content.at[i]);
		}
		return c;
	}
	default:
		return content.at[1];
	}
}

bool text_cut_prefix(struct text content, const char *prefix, struct text *rest) {
	for (; *prefix != '\0'; prefix++) {
		size_t size;
		if (content.length == 0 || character(content, &size) != *prefix) {
			return false;
		}
		content.at += size;
		content.length -= size;
	}
	if (rest != NULL) {
		*rest = content;
	}
	return true;
}

bool text_equal(struct text content, const char *word) {
	struct text rest;
	return text_cut_prefix(content, word, &rest) && rest.length == 0;
}

bool text_after(struct text content, char c, struct text *rest) {
	while (content.length > 0) {
		size_t size;
		int found = character(content, &size);
		content.at += size;
		content.length -= size;
		if (found == c) {
			*rest = content;
			return true;
		}
	}
	return false;
}
