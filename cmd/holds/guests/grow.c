/* Grows its memory, writes to every page it gets, and goes on asking when there is no more. */
#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	for (;;) {
		size_t pages = __builtin_wasm_memory_grow(0, 1);
		if (pages == SIZE_MAX) {
			continue;
		}
		for (size_t at = 0; at < 65536; at += 4096) {
			((volatile char *)(pages * 65536))[at] = 1;
		}
	}
}
