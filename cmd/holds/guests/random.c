/* Asks for as many random bytes as it has memory, again and again. */
#include <wasi/api.h>

#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	size_t length;
	uint8_t *begin = (uint8_t *)all_memory(&length);
	for (;;) {
		(void)!__wasi_random_get(begin, length);
	}
}
