#include "json.h"

#include <stdlib.h>
#include <string.h>

/* max_depth bounds how deeply objects and arrays nest. */
enum { max_depth = 64 };

/* A scanner reads a document from front to back. Its functions report false where the text stops being
 * JSON, and at is then the offending byte. */
struct scanner {
	struct text text;
	size_t at;
	struct tokens *tokens;
	uint32_t inside[max_depth]; /* the containers around this place, the outermost first */
	int depth;                  /* how many */
	const char *problem;        /* set when it is neither an unexpected byte nor the end */
};

static const char out_of_memory[] = "out of memory";

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

static bool is_plain(unsigned char c) { return c >= ' ' && c < 0x80 && c != '"' && c != '\\'; }

/* skip_plain steps over characters that stand for themselves: ASCII, and neither a control character
 * nor a quote nor a backslash. It looks at eight of them at once. */
static void skip_plain(struct scanner *s) {
	static const uint64_t each = 0x0101010101010101;
	while (s->text.length - s->at >= 8) {
		uint64_t eight;
		memcpy(&eight, s->text.at + s->at, sizeof eight);
		uint64_t quote = eight ^ each * '"';
		uint64_t backslash = eight ^ each * '\\';
		/* No highest bit is set when all eight are plain. */
		uint64_t found = eight | ((eight - each * ' ') & ~eight) | ((quote - each) & ~quote) |
				((backslash - each) & ~backslash);
		if ((found & each * 0x80) != 0) {
			break;
		}
		s->at += 8;
	}
	while (s->at < s->text.length && is_plain((unsigned char)s->text.at[s->at])) {
		s->at++;
	}
}

static bool scan_string(struct scanner *s) {
	s->at++;
	for (;;) {
		skip_plain(s);
		unsigned char c = (unsigned char)peek(s);
		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			s->at++;
			s->tokens->escapes = true;
			if (!scan_escape(s)) {
				return false;
			}
		} else if (c < ' ') { /* the end, too */
			return false;
		} else {
			size_t size = character_size((const unsigned char *)s->text.at + s->at, s->text.length - s->at);
			if (size == 0) {
				s->problem = "not UTF-8";
				return false;
			}
			s->at += size;
		}
	}
}

/* scan_digits steps over one digit or more. */
static bool scan_digits(struct scanner *s) {
	size_t from = s->at;
	while (s->at < s->text.length && is_digit(s->text.at[s->at])) {
		s->at++;
	}
	return s->at > from;
}

/* scan_mantissa reads a number up to its exponent, and scan_exponent an exponent if there is one. */
static bool scan_mantissa(struct scanner *s) {
	take(s, '-');
	if (!take(s, '0') && !scan_digits(s)) {
		return false;
	}
	return !take(s, '.') || scan_digits(s);
}

static bool scan_exponent(struct scanner *s) {
	if (!take(s, 'e') && !take(s, 'E')) {
		return true;
	}
	if (!take(s, '+')) {
		take(s, '-');
	}
	return scan_digits(s);
}

static bool scan_literal(struct scanner *s, const char *word) {
	for (; *word != '\0'; word++) {
		if (!take(s, *word)) {
			return false;
		}
	}
	return true;
}

/* scan_key reads the key of a member, up to its value. */
static bool scan_key(struct scanner *s) {
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
	return true;
}

/* closing returns the bracket that ends what bracket began. */
static char closing(char bracket) { return (char)(bracket + 2); }

/* scan_scalar reads a value that is no container. */
static bool scan_scalar(struct scanner *s) {
	switch (peek(s)) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_literal(s, "true");
	case 'f':
		return scan_literal(s, "false");
	case 'n':
		return scan_literal(s, "null");
	default:
		return scan_mantissa(s) && scan_exponent(s);
	}
}

/* step_out steps from the end of a value to the beginning of the next, out of the containers that end
 * in between. */
static bool step_out(struct scanner *s) {
	while (s->depth > 0) {
		skip_space(s);
		uint32_t container = s->inside[s->depth - 1];
		char bracket = s->text.at[s->tokens->at[container].start];
		if (take(s, ',')) {
			skip_space(s);
			return bracket == '[' || scan_key(s);
		}
		if (!take(s, closing(bracket))) {
			return false;
		}
		close_token(s, container);
		s->depth--;
	}
	return true;
}

/* scan_document reads one value and all it contains. */
static bool scan_document(struct scanner *s) {
	do {
		uint32_t value;
		if (!open_token(s, &value)) {
			return false;
		}
		char bracket = peek(s);
		if (bracket == '{' || bracket == '[') {
			if (s->depth == max_depth) {
				s->problem = "nested deeper than 64 levels";
				return false;
			}
			s->at++;
			skip_space(s);
			if (peek(s) != closing(bracket)) {
				s->inside[s->depth++] = value;
				if (bracket == '{' && !scan_key(s)) {
					return false;
				}
				continue;
			}
			s->at++;
		} else if (!scan_scalar(s)) {
			return false;
		}
		close_token(s, value);
		if (!step_out(s)) {
			return false;
		}
	} while (s->depth > 0);
	return true;
}

struct json_problem json_scan(struct text text, struct tokens *tokens) {
	struct scanner s = {.text = text, .tokens = tokens};
	skip_space(&s);
	if (peek(&s) != '{') {
		return (struct json_problem){"not a JSON object", NO_OFFSET};
	}
	if (scan_document(&s)) {
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

bool json_number(struct text text, size_t *mantissa) {
	struct scanner s = {.text = text};
	bool ok = scan_mantissa(&s);
	*mantissa = s.at;
	return ok && scan_exponent(&s) && s.at == text.length;
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
