/* A guest with bottlenecks to be found. Its inputs are numbers. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "prism.h"

static unsigned long number(void) {
	size_t length;
	char *in = prism_input(&length);
	char digits[24] = "";
	memcpy(digits, in, length < sizeof digits ? length : sizeof digits - 1);
	free(in);
	return strtoul(digits, NULL, 10);
}

/* Computes for so many thousand turns, in a function that has a name. */
__attribute__((noinline)) void find_needle(unsigned long thousands) {
	for (uint64_t left = (uint64_t)thousands * 1000; left > 0; left--) {
		__asm__ volatile("");
	}
}

/* Sleeps for so many milliseconds. */
static void rest(unsigned long ms) {
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* Writes to so many MiB of memory. */
static void scribble_on(unsigned long mib) {
	volatile char *p = malloc(mib << 20);
	for (unsigned long at = 0; p != NULL && at < mib << 20; at += 4096) {
		p[at] = 1;
	}
}

PRISM_EXPORT("quick") int32_t quick(void) {
	prism_write_text("ok");
	return 0;
}

PRISM_EXPORT("spin") int32_t spin(void) {
	find_needle(number());
	return 0;
}

PRISM_EXPORT("nap") int32_t nap(void) {
	rest(number());
	return 0;
}

PRISM_EXPORT("scribble") int32_t scribble(void) {
	scribble_on(number());
	return 0;
}

/* Takes so many MiB and keeps them for a while. */
PRISM_EXPORT("soak") int32_t soak(void) {
	scribble_on(number());
	rest(200);
	return 0;
}

/* Echoes its input. */
PRISM_EXPORT("echo") int32_t echo(void) {
	size_t length;
	char *in = prism_input(&length);
	prism_write(in, length);
	return 0;
}

PRISM_EXPORT("trap") int32_t trap(void) { __builtin_trap(); }
