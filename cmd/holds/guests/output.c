/* Writes output without end. */
#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	static char text[4096];
	for (;;) {
		prism_write(text, sizeof text);
	}
}
