/* prism_test.h: runs a plugin's handlers natively, in ordinary tests: no server, no WebAssembly.
 *
 *	#include "main.c"
 *	#include "prism_test.h"
 *
 *	int main(void) {
 *		const char *const config[] = {"greeting", "Bonjour", NULL};
 *		prism_host.config = config;
 *		struct prism_outcome got = prism_test_call(handle, "Ada", 3);
 *		return got.failed || strcmp(got.output, "Bonjour, Ada!\n") != 0;
 *	}
 *
 * It defines what prism.h declares of the server, so one file of a test includes it. C11 or C++11.
 */
#ifndef PRISM_TEST_H
#define PRISM_TEST_H

#include "prism.h"

#include <time.h>

/* What a call came to. It is good until the next one. */
struct prism_outcome {
	int failed;           /* the handler returned something but 0, or called prism_fail */
	const char *output;   /* followed by a zero byte; "" when it failed, as nobody sees it then */
	size_t length;        /* of the output, in bytes */
	const char *failure;  /* as prism_fail was told; "" when it was not */
	const char *log;      /* what was logged, a line each, with its level before it: "2 greeting Ada\n" */
	int64_t done, total;  /* as prism_progress was told last; 0 when it was not */
};

/* A text that grows. */
struct prism_text {
	char *bytes;
	size_t length;
};

/* The server's side of the next call. Zero: no config, and nothing is known of the call. */
static struct {
	const char *const *config; /* keys and values in turn, NULL after the last */
	const char *const *call;   /* likewise: request_id, function, plugin, version, deadline */

	const char *input;
	size_t input_length;
	struct prism_text output, failure, log;
	int failed;
	int64_t done, total;
} prism_host;

static inline void prism_text_set(struct prism_text *t, size_t from, const void *bytes, size_t length) {
	char *grown = (char *)realloc(t->bytes, from + length + 1);
	if (grown == NULL) {
		abort();
	}
	t->bytes = grown;
	if (length > 0) {
		memcpy(grown + from, bytes, length);
	}
	t->length = from + length;
	grown[t->length] = '\0';
}

PRISM_LINKAGE int32_t prism_host_input_len(void) { return (int32_t)prism_host.input_length; }

PRISM_LINKAGE int32_t prism_host_input_read(void *to, uint32_t offset, uint32_t length) {
	if (offset > prism_host.input_length) {
		return -1;
	}
	size_t left = prism_host.input_length - offset;
	size_t n = length < left ? length : left;
	if (n > 0) {
		memcpy(to, prism_host.input + offset, n);
	}
	return (int32_t)n;
}

PRISM_LINKAGE void prism_host_output_write(const void *from, uint32_t length) {
	prism_text_set(&prism_host.output, prism_host.output.length, from, length);
}

PRISM_LINKAGE void prism_host_fail(const char *message, uint32_t length) {
	prism_host.failed = 1;
	prism_text_set(&prism_host.failure, 0, message, length);
}

PRISM_LINKAGE void prism_host_log(int32_t level, const char *message, uint32_t length) {
	char number[16];
	int n = snprintf(number, sizeof number, "%d ", (int)level);
	prism_text_set(&prism_host.log, prism_host.log.length, number, (size_t)n);
	prism_text_set(&prism_host.log, prism_host.log.length, message, length);
	prism_text_set(&prism_host.log, prism_host.log.length, "\n", 1);
}

PRISM_LINKAGE void prism_host_progress(int64_t done, int64_t total, const char *message, uint32_t length) {
	(void)message;
	(void)length;
	prism_host.done = done;
	prism_host.total = total;
}

static inline int32_t prism_host_value(const char *const *values, const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	for (; values != NULL && values[0] != NULL; values += 2) {
		if (strlen(values[0]) == key_length && memcmp(values[0], key, key_length) == 0) {
			size_t length = strlen(values[1]);
			size_t n = length < capacity ? length : capacity;
			if (n > 0) {
				memcpy(to, values[1], n);
			}
			return (int32_t)length;
		}
	}
	return -1;
}

PRISM_LINKAGE int32_t prism_host_config_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return prism_host_value(prism_host.config, key, key_length, to, capacity);
}

PRISM_LINKAGE int32_t prism_host_call_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return prism_host_value(prism_host.call, key, key_length, to, capacity);
}

/* Not for secrets: it is a test. */
PRISM_LINKAGE int32_t prism_host_random(void *to, uint32_t length) {
	static uint64_t state;
	if (state == 0) {
		state = (uint64_t)time(NULL) | 1;
	}
	for (uint32_t i = 0; i < length; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)to)[i] = (unsigned char)(state >> 56);
	}
	return 0;
}

/* prism_test_call calls a handler with an input. */
static inline struct prism_outcome prism_test_call(int32_t (*handler)(void), const void *input, size_t length) {
	prism_text_set(&prism_host.output, 0, NULL, 0);
	prism_text_set(&prism_host.failure, 0, NULL, 0);
	prism_text_set(&prism_host.log, 0, NULL, 0);
	prism_host.input = (const char *)input;
	prism_host.input_length = length;
	prism_host.failed = 0;
	prism_host.done = prism_host.total = 0;
	if (handler() != 0) {
		prism_host.failed = 1;
	}
	if (prism_host.failed) {
		prism_text_set(&prism_host.output, 0, NULL, 0);
	}
	struct prism_outcome o;
	o.failed = prism_host.failed;
	o.output = prism_host.output.bytes;
	o.length = prism_host.output.length;
	o.failure = prism_host.failure.bytes;
	o.log = prism_host.log.bytes;
	o.done = prism_host.done;
	o.total = prism_host.total;
	return o;
}

#endif
