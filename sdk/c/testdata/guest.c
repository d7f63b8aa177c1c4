/* Guest tells what it draws at random, and what it knows of the call. The server's tests build it. */
#include "prism.h"

/* What the constructor leaves in the image. */
static unsigned at_start;
static const char *hooks = "";

__attribute__((constructor)) static void start(void) {
	prism_reseed();
	prism_random(&at_start, sizeof at_start);
}

PRISM_RESUME void resume(void) {
	prism_reseed();
	hooks = "resumed";
}

/* Answers a line for each source: its name and what it gave. */
PRISM_EXPORT("handle") int32_t draw(void) {
	char out[200];
	unsigned live;
	prism_random(&live, sizeof live);
	int length = snprintf(out, sizeof out, "prism_random %u\nrand %d\nstarted:prism_random %u\nstarted:hooks %s\n", live, rand(), at_start, hooks);
	prism_write(out, (size_t)length);
	return 0;
}

PRISM_EXPORT("about") int32_t about(void) {
	static const char *const keys[] = {"request_id", "function", "plugin", "version", "deadline"};
	for (size_t n = 0; n < sizeof keys / sizeof *keys; n++) {
		char *value = prism_call_get(keys[n], NULL);
		prism_write_text(n > 0 ? " " : "");
		prism_write_text(value != NULL ? value : "none");
		free(value);
	}
	return 0;
}

/* Tells twice how far it is. */
PRISM_EXPORT("advance") int32_t advance(void) {
	size_t length;
	char *in = prism_input(&length);
	prism_progress(1, 2, in);
	prism_log(PRISM_WARN, in);
	prism_progress(5000000000, 0, NULL);
	free(in);
	return 0;
}

PRISM_EXPORT("configured") int32_t configured(void) {
	size_t length;
	char *key = prism_input(&length);
	char *value = prism_config(key, &length);
	free(key);
	if (value == NULL) {
		return prism_fail("it is not set");
	}
	prism_write(value, length);
	free(value);
	return 0;
}

/* Copies its input to its output, in parts. */
PRISM_EXPORT("stream") int32_t stream(void) {
	char part[1000];
	int32_t n;
	for (uint32_t at = 0; (n = prism_host_input_read(part, at, sizeof part)) > 0; at += (uint32_t)n) {
		prism_write(part, (size_t)n);
	}
	return n;
}

PRISM_EXPORT("refuse") int32_t refuse(void) { return prism_failf("as it was %s", "told"); }

PRISM_EXPORT("panic") int32_t panic(void) {
	prism_log(PRISM_ERROR, "it panicked as it was told");
	abort();
}
