/* Writes to standard output without end. */
#include <wasi/api.h>

#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	static uint8_t text[4096];
	const __wasi_ciovec_t piece = {text, sizeof text};
	for (;;) {
		__wasi_size_t written;
		(void)!__wasi_fd_write(1, &piece, 1, &written);
	}
}
