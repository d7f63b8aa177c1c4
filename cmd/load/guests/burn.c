/* Computes for as long as it is told: its input is a number of turns, in thousands. */
#include "prism.h"

PRISM_EXPORT("handle") int32_t handle(void) {
	size_t length;
	char *in = prism_input(&length);
	if (in == NULL) {
		return prism_fail("no memory for the input");
	}
	char digits[24] = "";
	memcpy(digits, in, length < sizeof digits ? length : sizeof digits - 1);
	free(in);
	/* The compiler must believe that each turn does something. */
	for (uint64_t left = strtoull(digits, NULL, 10) * 1000; left > 0; left--) {
		__asm__ volatile("");
	}
	prism_write_text("ok");
	return 0;
}
