/* Asks for a config value by a key as long as its memory, again and again. */
#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	size_t length;
	char *key = all_memory(&length);
	for (;;) {
		prism_host_config_get(key, length, NULL, 0);
	}
}
