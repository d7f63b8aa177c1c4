/* A tokenizer of a language like C: a switch in a loop, with look-ahead. */
#include <stdbool.h>
#include <string.h>

#include "kernel.h"
#include "text.h"

enum kind { kind_end, kind_name, kind_number, kind_string, kind_comment, kind_operator };

struct token {
	enum kind kind;
	const char *at, *end;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static const char *skip_space(const char *at) {
	while (*at == ' ' || *at == '\t' || *at == '\n') {
		at++;
	}
	return at;
}

/* string_end and comment_end find where what begins at a quote or slash ends, the text's end where nothing
 * ends it. */
static const char *string_end(const char *at) {
	for (at++; *at != '\0' && *at != '"'; at++) {
		if (*at == '\\' && at[1] != '\0') {
			at++;
		}
	}
	return *at == '"' ? at + 1 : at;
}

static const char *comment_end(const char *at) {
	if (at[1] == '/') {
		while (*at != '\0' && *at != '\n') {
			at++;
		}
		return at;
	}
	for (at += 2; *at != '\0'; at++) {
		if (at[0] == '*' && at[1] == '/') {
			return at + 2;
		}
	}
	return at;
}

/* operator_end tells operators of two characters from those of one. */
static const char *operator_end(const char *at) {
	bool pair = false;
	switch (at[0]) {
	case '=':
	case '!':
	case '*':
	case '/':
		pair = at[1] == '=';
		break;
	case '<':
	case '>':
	case '+':
	case '&':
	case '|':
		pair = at[1] == at[0] || at[1] == '=';
		break;
	case '-':
		pair = at[1] == '-' || at[1] == '=' || at[1] == '>';
		break;
	default:
		break;
	}
	return at + 1 + pair;
}

static struct token next_token(const char *at) {
	struct token token = {.at = skip_space(at)};
	at = token.at;
	if (*at == '\0') {
		token.kind = kind_end;
	} else if (is_letter(*at)) {
		token.kind = kind_name;
		while (is_letter(*at) || is_digit(*at)) {
			at++;
		}
	} else if (is_digit(*at)) {
		token.kind = kind_number;
		while (is_letter(*at) || is_digit(*at) || *at == '.') {
			at++;
		}
	} else if (*at == '"') {
		token.kind = kind_string;
		at = string_end(at);
	} else if (at[0] == '/' && (at[1] == '/' || at[1] == '*')) {
		token.kind = kind_comment;
		at = comment_end(at);
	} else {
		token.kind = kind_operator;
		at = operator_end(at);
	}
	token.end = at;
	return token;
}

KERNEL(tokenizer) {
	static char source[sizeof text];
	memcpy(source, text, sizeof text);
	uint32_t checksum = 0;
	for (int32_t round = 0; round < n; round++) {
		changed(source);
		const char *at = source;
		for (;;) {
			struct token token = next_token(at);
			if (token.kind == kind_end) {
				break;
			}
			checksum = mix(mix(checksum, token.kind), (uint32_t)(token.end - token.at));
			at = token.end;
		}
	}
	return (int32_t)checksum;
}
