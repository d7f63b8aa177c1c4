/* Writes all its memory to standard error, in one call of a few million pieces, again and again. */
#include <wasi/api.h>

#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	size_t length;
	__wasi_ciovec_t *pieces = (__wasi_ciovec_t *)all_memory(&length);
	size_t count = length / sizeof *pieces;
	for (size_t i = 0; i < count; i++) {
		pieces[i] = (__wasi_ciovec_t){(const uint8_t *)pieces, 8192};
	}
	for (;;) {
		__wasi_size_t written;
		(void)!__wasi_fd_write(2, pieces, count, &written);
	}
}
