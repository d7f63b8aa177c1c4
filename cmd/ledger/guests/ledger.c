/* Leaves a trace of each run: its output begins with random bytes that no other run has, and it logs them.
 * What it does is the first word of its input: "done", "fail", or "nap" and a number of milliseconds. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "prism.h"

PRISM_EXPORT("handle") int32_t handle(void) {
	size_t length;
	char *in = prism_input(&length);
	if (in == NULL) {
		return prism_fail("no memory for the input");
	}
	unsigned char mark[12];
	char trace[2 * sizeof mark + 1];
	prism_random(mark, sizeof mark);
	for (size_t i = 0; i < sizeof mark; i++) {
		snprintf(trace + 2 * i, 3, "%02x", mark[i]);
	}
	prism_log(PRISM_INFO, trace);
	if (length >= 4 && memcmp(in, "fail", 4) == 0) {
		return prism_fail("as it was told to");
	}
	if (length >= 4 && memcmp(in, "nap ", 4) == 0) {
		char digits[12] = "";
		memcpy(digits, in + 4, length - 4 < sizeof digits - 1 ? length - 4 : sizeof digits - 1);
		long ms = strtol(digits, NULL, 10);
		struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
		nanosleep(&t, NULL);
	}
	prism_write(trace, sizeof trace - 1);
	prism_write(" ", 1);
	prism_write(in, length);
	return 0;
}
