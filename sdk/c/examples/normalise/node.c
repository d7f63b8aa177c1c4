#include "node.h"

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

/* say_step adds the way to a value of a node, and say_path the way to a node: data[0].px */
static void say_path(struct message *m, const struct node *node);

static void say_step(struct message *m, const struct node *parent, const char *key, uint32_t index) {
	say_path(m, parent);
	if (key == NEXT) {
		say(m, "[");
		say_number(m, index);
		say(m, "]");
		return;
	}
	if (parent->parent != NULL) {
		say(m, ".");
	}
	say(m, key);
}

static void say_path(struct message *m, const struct node *node) {
	if (node->parent != NULL) {
		say_step(m, node->parent, node->key, node->index);
	}
}

/* begin_failure fails on a value, the member with that key or the element taken last. It reports false
 * when there is a failure already. */
static bool begin_failure(const struct node *node, const char *key, const char *problem) {
	struct message *m = node->m;
	if (m->failed) {
		return false;
	}
	m->failed = true;
	say(m, m->where);
	say(m, ": field \"");
	say_step(m, node, key, node->taken - 1);
	say(m, "\" ");
	say(m, problem);
	return true;
}

void wrong(const struct node *node, const char *key, const char *noun, struct text text) {
	if (begin_failure(node, key, "is not ")) {
		say(node->m, noun);
		say(node->m, ": ");
		say_excerpt(node->m, text, "");
	}
}

struct node top_node(struct message *m) { return (struct node){.m = m}; }

struct node no_node(void) { return (struct node){.token = ABSENT}; }

struct node or_null(const struct node *node) {
	struct node lax = *node;
	lax.lack = WITH_NULLS;
	return lax;
}

struct node if_sent(const struct node *node) {
	struct node lax = *node;
	lax.lack = WITH_GAPS;
	return lax;
}

bool more(const struct node *node) {
	return node->token != ABSENT && node->cursor < node->m->tokens.at[node->token].next && !node->m->failed;
}

static struct text token_text(const struct message *m, uint32_t token) {
	const struct token *t = &m->tokens.at[token];
	return (struct text){m->text.at + t->start, t->end - t->start};
}

/* content returns what stands between the quotes of a string. */
static struct text content(struct text string) { return (struct text){string.at + 1, string.length - 2}; }

static bool is(struct text text, const char *word, size_t length) {
	return text.length == length && memcmp(text.at, word, length) == 0;
}

/* find returns the token of a value. Of several members with one key the last counts. */
static uint32_t find(struct node *node, const char *key) {
	if (node->token == ABSENT) {
		return ABSENT;
	}
	const struct message *m = node->m;
	uint32_t end = m->tokens.at[node->token].next;
	uint32_t found = ABSENT;
	if (key == NEXT) {
		node->taken++;
		if (node->cursor < end) {
			found = node->cursor;
			node->cursor = m->tokens.at[found].next;
		}
		return found;
	}
	size_t length = strlen(key);
	for (uint32_t i = node->token + 1; i < end; i = m->tokens.at[i + 1].next) {
		struct text name = content(token_text(m, i));
		if (is(name, key, length) || (m->tokens.escapes && text_equal(name, key))) {
			found = i + 1;
		}
	}
	return found;
}

bool has(const struct node *object, const char *key) {
	struct node untouched = *object;
	return find(&untouched, key) != ABSENT;
}

static const struct text nothing = {NULL, 0};

/* get returns a value as it stands in the message, and sets its token. */
static struct text get(struct node *node, const char *key, uint32_t *token) {
	*token = find(node, key);
	if (*token == ABSENT) {
		if (node->lack != WITH_GAPS) {
			begin_failure(node, key, "is missing");
		}
		return nothing;
	}
	struct text text = token_text(node->m, *token);
	if (node->lack != COMPLETE && (is(text, "null", 4) || is(text, "\"\"", 2))) {
		return nothing;
	}
	return text;
}

struct text get_raw(struct node *node, const char *key) {
	uint32_t token;
	return get(node, key, &token);
}

static struct node get_container(struct node *node, const char *key, char bracket, const char *noun) {
	uint32_t token;
	struct text text = get(node, key, &token);
	if (text.length > 0 && text.at[0] != bracket) {
		wrong(node, key, noun, text);
		token = ABSENT;
	}
	return (struct node){
		.m = node->m, .parent = node, .key = key, .index = node->taken - 1, .token = token, .cursor = token + 1};
}

struct node get_object(struct node *node, const char *key) { return get_container(node, key, '{', "an object"); }

struct node get_array(struct node *node, const char *key) { return get_container(node, key, '[', "an array"); }

struct node get_entries(struct node *node, const char *key) {
	struct node entries = get_array(node, key);
	if (!more(&entries)) {
		begin_failure(node, key, "is empty");
	}
	return entries;
}

struct text get_string(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	if (text.length == 0) {
		return nothing;
	}
	if (text.at[0] != '"') {
		wrong(node, key, "a string", text);
		return nothing;
	}
	if (text.length == 2) {
		begin_failure(node, key, "is empty");
		return nothing;
	}
	return content(text);
}

const char *get_one_of(struct node *node, const char *key, const char *const *words) {
	struct text text = get_raw(node, key);
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
	if (begin_failure(node, key, "is not ")) {
		for (const char *const *word = words; *word != NULL; word++) {
			say(node->m, word == words ? "\"" : " or \"");
			say(node->m, *word);
			say(node->m, "\"");
		}
		say(node->m, ": ");
		say_excerpt(node->m, text, "");
	}
	return "";
}

bool get_bool(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	bool yes = is(text, "true", 4);
	if (text.length > 0 && !yes && !is(text, "false", 5)) {
		wrong(node, key, "true or false", text);
	}
	return yes;
}

struct text get_integer(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	if (text.length > 0 && !is_integer(text)) {
		wrong(node, key, "a 64-bit integer", text);
		return nothing;
	}
	return text;
}

struct text get_digits(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	if (text.length == 0) {
		return nothing;
	}
	if (text.at[0] != '"' || !is_integer(content(text))) {
		wrong(node, key, "a 64-bit integer in a string", text);
		return nothing;
	}
	return content(text);
}

struct text get_number(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	if (text.length == 0) {
		return nothing;
	}
	struct text plain = plain_decimal(node->m, text);
	if (plain.length == 0) {
		wrong(node, key, "a decimal number", text);
	}
	return plain;
}

struct text get_decimal(struct node *node, const char *key) {
	struct text text = get_raw(node, key);
	if (text.length == 0) {
		return nothing;
	}
	struct text plain = text.at[0] == '"' ? plain_decimal(node->m, content(text)) : nothing;
	if (plain.length == 0) {
		wrong(node, key, "a decimal number in a string", text);
	}
	return plain;
}
