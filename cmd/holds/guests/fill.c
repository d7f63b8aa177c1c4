/* Fills all the memory it can get, one instruction at a time. */
#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	size_t length;
	char *begin = all_memory(&length);
	for (int value = 1;; value++) {
		memset(begin, value, length); /* memory.fill */
	}
}
