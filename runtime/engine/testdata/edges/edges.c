/* edges.c: programs that come to their first look at the input in unusual ways, or not at all. The
 * environment's EDGE says which one this is; the input, if it is read, what to do then. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>
#include "prism.h"

static char in[1 << 20];
static size_t have;
static const char *edge;
static void *volatile other; /* a block that is of no use */

static int is(const char *name) { return strcmp(edge, name) == 0; }

static void say(const char *text, size_t length) {
	while (length > 0) {
		ssize_t n = write(1, text, length);
		if (n <= 0) {
			exit(8);
		}
		text += n;
		length -= n;
	}
}

static void says(const char *text) { say(text, strlen(text)); }

/* Reads up to so many bytes, or to the end. */
static void take(size_t most) {
	for (ssize_t n; most > 0 && (n = read(0, in + have, most)) != 0; most -= n) {
		if (n < 0) {
			char text[50];
			snprintf(text, sizeof text, "errno %d;", errno);
			says(text);
			return;
		}
		have += n;
	}
}

static __attribute__((noinline)) int deep(int n) {
	volatile char room[16];
	room[n % 16] = (char)n;
	return n == 0 ? 0 : deep(n - 1) + room[n % 16];
}

static uint64_t drawn(void) {
	uint64_t n = 0;
	if (__wasi_random_get((uint8_t *)&n, sizeof n) != 0) {
		exit(8);
	}
	return n;
}

static uint64_t now(__wasi_clockid_t clock) {
	__wasi_timestamp_t t = 0;
	if (__wasi_clock_time_get(clock, 1, &t) != 0) {
		exit(8);
	}
	return t;
}

/* Waits for the input, or for a time if there is one. */
static void await(uint64_t nanoseconds) {
	__wasi_subscription_t what[2] = {0};
	what[0].userdata = 1;
	what[0].u.tag = __WASI_EVENTTYPE_FD_READ;
	what[0].u.u.fd_read.file_descriptor = 0;
	what[1].userdata = 2;
	what[1].u.tag = __WASI_EVENTTYPE_CLOCK;
	what[1].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
	what[1].u.u.clock.timeout = nanoseconds;
	__wasi_event_t events[2];
	__wasi_size_t n = 0;
	int e = __wasi_poll_oneoff(what, events, nanoseconds == 0 ? 1 : 2, &n);
	char text[60];
	snprintf(text, sizeof text, "errno %d, %u ready, first %u;", e, (unsigned)n, (unsigned)events[0].userdata);
	says(text);
}

static void note(const char *text) { fprintf(stderr, "%s\n", text); }

/* What an input asks for, when it has been read. */
static void answer(void) {
	in[have] = 0;
	if (strcmp(in, "exit") == 0) {
		note("about to leave");
		exit(3);
	} else if (strcmp(in, "trap") == 0) {
		__builtin_trap();
	} else if (strcmp(in, "fail") == 0) {
		prism_fail("as it was told");
		exit(1);
	} else if (strcmp(in, "silent") == 0) {
		_exit(0);
	} else if (strcmp(in, "deep") == 0) {
		says(deep(30000) == 1 ? "?" : "deep");
	} else if (strcmp(in, "large") == 0) {
		other = memset(malloc(1 << 20), 'x', 1 << 20);
	} else if (strcmp(in, "closed") == 0) {
		close(0);
		close(1);
		close(2);
		exit(write(1, "x", 1) == 1 ? 4 : 5);
	}
	say("<", 1);
	say(in, have);
	say(">", 1);
}

int main(void) {
	edge = getenv("EDGE");
	uint64_t before[3] = {drawn(), now(0), now(1)};
	if (is("prompt")) {
		says("name? ");
		take(sizeof in - 1);
	} else if (is("pieces")) {
		take(4);
		says("[");
		say(in, have);
		says("]");
		take(sizeof in - 1 - have);
	} else if (is("poll")) {
		await(0);
		take(sizeof in - 1);
	} else if (is("poll with a clock")) {
		await(1000000);
		take(sizeof in - 1);
	} else if (is("prism")) {
		have = (size_t)prism_host_input_len();
		prism_host_input_read(in, 0, sizeof in - 1);
	} else if (is("prism, then input")) {
		have = (size_t)prism_host_input_read(in, 0, 3);
		take(sizeof in - 1 - have);
	} else if (is("nothing at first")) {
		if (read(0, in, 0) != 0) {
			exit(8);
		}
		take(sizeof in - 1);
	} else if (is("past the end")) {
		take(sizeof in - 1);
		take(1);
		take(1);
	} else if (is("never")) {
		says("reads nothing");
		return 0;
	} else if (is("exits")) {
		note("leaves early");
		exit(7);
	} else if (is("traps")) {
		note("gives up early");
		__builtin_trap();
	} else if (is("fails")) {
		prism_fail("before it read");
		take(sizeof in - 1);
	} else if (is("logs")) {
		note("a line before");
		take(sizeof in - 1);
		note("a line after");
	} else if (is("floods its log")) {
		for (int n = 0; n < 3000; n++) {
			fprintf(stderr, "line %d\n", n);
		}
		take(sizeof in - 1);
		note("the last line");
	} else if (is("sleeps")) {
		sleep(3600);
		take(sizeof in - 1);
		char text[60];
		snprintf(text, sizeof text, "slept for an hour: %d;", now(1) - before[2] > 3599000000000u);
		says(text);
	} else if (is("closes its input")) {
		close(0);
		take(sizeof in - 1);
	} else if (is("closes its log")) {
		close(2);
		take(sizeof in - 1);
		says(write(2, "x", 1) == 1 ? "open;" : "closed;");
	} else if (is("answers on its log")) {
		if (__wasi_fd_renumber(2, 1) != 0) {
			exit(8);
		}
		take(sizeof in - 1);
	} else if (is("swaps its input")) {
		if (__wasi_fd_renumber(0, 2) != 0 || __wasi_fd_renumber(2, 0) != 0) {
			exit(8);
		}
		take(sizeof in - 1);
	} else if (is("deep")) {
		says(deep(2000) == 1 ? "?" : "deep;");
		take(sizeof in - 1);
	} else if (is("allocates")) {
		char *block = malloc(5000000);
		memset(block, 1, 5000000);
		take(sizeof in - 1);
		for (size_t at = 0; at < 5000000; at++) {
			if (block[at]++ != 1) {
				exit(6);
			}
		}
	} else if (is("is refused memory")) {
		says(__builtin_wasm_memory_grow(0, 16384) == SIZE_MAX ? "refused;" : "?");
		take(sizeof in - 1);
	} else if (is("draws")) {
		take(sizeof in - 1);
		char text[100];
		snprintf(text, sizeof text, "%llx %llx %llx;%llx %llx %llx", (unsigned long long)before[0], (unsigned long long)before[1], (unsigned long long)before[2],
		         (unsigned long long)drawn(), (unsigned long long)now(0), (unsigned long long)now(1));
		says(text);
		return 0;
	} else {
		exit(99);
	}
	answer();
	return 0;
}
