#include "field.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

struct block {
	struct block *next;
	char bytes[];
};

char *message_alloc(struct message *m, size_t size) {
	struct block *block = malloc(sizeof *block + size);
	if (block == NULL) {
		message_fail(m, "out of memory");
		return NULL;
	}
	block->next = m->blocks;
	m->blocks = block;
	return block->bytes;
}

void message_free(struct message *m) {
	while (m->blocks != NULL) {
		struct block *block = m->blocks;
		m->blocks = block->next;
		free(block);
	}
	free(m->tokens.at);
	free(m->out.at);
}

/* say and its like add to the failure, whose end they never pass. */
static void say_text(struct message *m, struct text text) {
	size_t left = sizeof m->failure - m->failure_length;
	size_t length = text.length < left ? text.length : left;
	memcpy(m->failure + m->failure_length, text.at, length);
	m->failure_length += length;
}

static void say(struct message *m, const char *words) { say_text(m, (struct text){words, strlen(words)}); }

static void say_number(struct message *m, size_t number) {
	char digits[20];
	size_t start = sizeof digits;
	do {
		digits[--start] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	say_text(m, (struct text){digits + start, sizeof digits - start});
}

/* say_excerpt adds the beginning of text, whole characters of it, within quotes of its own when it is
 * the content of a string. */
static void say_excerpt(struct message *m, struct text text, const char *quote) {
	size_t most = 40; /* bytes */
	size_t quotes = strlen(quote);
	say(m, quote);
	if (quotes + text.length + quotes <= most) {
		say_text(m, text);
		say(m, quote);
		return;
	}
	size_t end = most - quotes;
	if (end < text.length) {
		while (((unsigned char)text.at[end] & 0xc0) == 0x80) { /* not the first byte of a character */
			end--;
		}
	} else {
		end = text.length;
	}
	say_text(m, (struct text){text.at, end});
	say(m, "...");
}

void message_fail(struct message *m, const char *failure) {
	if (!m->failed) {
		m->failed = true;
		say(m, failure);
	}
}

void message_not_json(struct message *m, struct json_problem problem) {
	m->failed = true;
	if (problem.offset == NO_OFFSET) {
		say(m, problem.what);
		return;
	}
	say(m, "not JSON: ");
	say(m, problem.what);
	say(m, " at offset ");
	say_number(m, problem.offset);
}

void message_unknown(struct message *m, const char *noun, struct text content) {
	if (m->failed) {
		return;
	}
	m->failed = true;
	say(m, m->where);
	say(m, ": unknown ");
	say(m, noun);
	say(m, " ");
	say_excerpt(m, content, "\"");
}

/* say_path adds the way to a field: data[0].px */
static void say_path(struct message *m, const struct field *field) {
	if (field->parent == NULL) {
		return;
	}
	say_path(m, field->parent);
	if (field->key == NULL) {
		say(m, "[");
		say_number(m, field->index);
		say(m, "]");
		return;
	}
	if (field->parent->parent != NULL) {
		say(m, ".");
	}
	say(m, field->key);
}

/* begin_failure reports false when there is a failure already. */
static bool begin_failure(const struct field *field, const char *problem) {
	struct message *m = field->m;
	if (m->failed) {
		return false;
	}
	m->failed = true;
	say(m, m->where);
	say(m, ": field \"");
	say_path(m, field);
	say(m, "\" ");
	say(m, problem);
	return true;
}

void wrong(const struct field *field, const char *noun, struct text text) {
	if (begin_failure(field, "is not ")) {
		say(field->m, noun);
		say(field->m, ": ");
		say_excerpt(field->m, text, "");
	}
}

struct field top_field(struct message *m) { return (struct field){.m = m}; }

struct field no_field(void) { return (struct field){.token = ABSENT}; }

bool is_absent(const struct field *field) { return field->token == ABSENT; }

static struct text token_text(const struct message *m, uint32_t token) {
	const struct token *t = &m->tokens.at[token];
	return (struct text){m->text.at + t->start, t->end - t->start};
}

/* content returns what stands between the quotes of a string. */
static struct text content(struct text string) { return (struct text){string.at + 1, string.length - 2}; }

struct field member(const struct field *object, const char *key) {
	struct field found = {.m = object->m, .parent = object, .key = key, .token = ABSENT};
	if (is_absent(object)) {
		return found;
	}
	const struct token *tokens = object->m->tokens.at;
	uint32_t end = tokens[object->token].next;
	for (uint32_t i = object->token + 1; i < end; i = tokens[i + 1].next) {
		if (text_equal(content(token_text(object->m, i)), key)) {
			found.token = i + 1;
		}
	}
	return found;
}

bool has(const struct field *object, const char *key) {
	struct field found = member(object, key);
	return !is_absent(&found);
}

/* element returns token, or ABSENT when it is past the end of the array. */
static uint32_t element(const struct field *array, uint32_t token) {
	return token < array->m->tokens.at[array->token].next ? token : ABSENT;
}

struct field first(const struct field *array) {
	struct field found = {.m = array->m, .parent = array, .token = ABSENT};
	if (!is_absent(array)) {
		found.token = element(array, array->token + 1);
	}
	return found;
}

struct field next(const struct field *before) {
	struct field found = {.m = before->m, .parent = before->parent, .index = before->index + 1, .token = ABSENT};
	if (!is_absent(before)) {
		found.token = element(before->parent, before->m->tokens.at[before->token].next);
	}
	return found;
}

struct field or_null(struct field field) {
	field.need = NULLABLE;
	return field;
}

struct field if_sent(struct field field) {
	field.need = OPTIONAL;
	return field;
}

static const struct text nothing = {NULL, 0};

static bool is(struct text text, const char *word) {
	return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

struct text as_raw(struct field field) {
	if (is_absent(&field)) {
		if (field.need != OPTIONAL) {
			begin_failure(&field, "is missing");
		}
		return nothing;
	}
	struct text text = token_text(field.m, field.token);
	if (field.need != REQUIRED && (is(text, "null") || is(text, "\"\""))) {
		return nothing;
	}
	return text;
}

static struct field as_container(struct field field, char bracket, const char *noun) {
	struct text text = as_raw(field);
	if (text.length > 0 && text.at[0] != bracket) {
		wrong(&field, noun, text);
	}
	if (text.length == 0 || text.at[0] != bracket) {
		field.token = ABSENT;
	}
	return field;
}

struct field as_object(struct field field) { return as_container(field, '{', "an object"); }

struct field as_array(struct field field) { return as_container(field, '[', "an array"); }

struct field as_entries(struct field field) {
	field = as_array(field);
	if (!is_absent(&field)) {
		struct field entry = first(&field);
		if (is_absent(&entry)) {
			begin_failure(&field, "is empty");
		}
	}
	return field;
}

struct text as_string(struct field field) {
	struct text text = as_raw(field);
	if (text.length == 0) {
		return nothing;
	}
	if (text.at[0] != '"') {
		wrong(&field, "a string", text);
		return nothing;
	}
	if (text.length == 2) {
		begin_failure(&field, "is empty");
		return nothing;
	}
	return content(text);
}

const char *one_of(struct field field, const char *const *words) {
	struct text text = as_raw(field);
	if (text.length == 0) {
		return "";
	}
	if (text.at[0] == '"') {
		for (const char *const *word = words; *word != NULL; word++) {
			if (text_equal(content(text), *word)) {
				return *word;
			}
		}
	}
	if (begin_failure(&field, "is not ")) {
		for (const char *const *word = words; *word != NULL; word++) {
			say(field.m, word == words ? "\"" : " or \"");
			say(field.m, *word);
			say(field.m, "\"");
		}
		say(field.m, ": ");
		say_excerpt(field.m, text, "");
	}
	return "";
}

bool as_bool(struct field field) {
	struct text text = as_raw(field);
	bool yes = is(text, "true");
	if (text.length > 0 && !yes && !is(text, "false")) {
		wrong(&field, "true or false", text);
	}
	return yes;
}

struct text as_integer(struct field field) {
	struct text text = as_raw(field);
	if (text.length > 0 && !is_integer(text)) {
		wrong(&field, "a 64-bit integer", text);
		return nothing;
	}
	return text;
}

struct text as_digits(struct field field) {
	struct text text = as_raw(field);
	if (text.length == 0) {
		return nothing;
	}
	if (text.at[0] != '"' || !is_integer(content(text))) {
		wrong(&field, "a 64-bit integer in a string", text);
		return nothing;
	}
	return content(text);
}

struct text as_number(struct field field) {
	struct text text = as_raw(field);
	if (text.length == 0) {
		return nothing;
	}
	struct text plain = plain_decimal(field.m, text);
	if (plain.length == 0) {
		wrong(&field, "a decimal number", text);
	}
	return plain;
}

struct text as_decimal(struct field field) {
	struct text text = as_raw(field);
	if (text.length == 0) {
		return nothing;
	}
	struct text plain = text.at[0] == '"' ? plain_decimal(field.m, content(text)) : nothing;
	if (plain.length == 0) {
		wrong(&field, "a decimal number in a string", text);
	}
	return plain;
}
