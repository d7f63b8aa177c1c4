/* Recurses without end. Its frames are the engine's: none of it is in the guest's own memory. */
#include "guest.h"

static volatile uint32_t enough;

__attribute__((noinline)) static uint32_t deeper(uint32_t depth) {
	if (enough) {
		return depth;
	}
	uint32_t below = deeper(depth + 1);
	__asm__ volatile("" : "+r"(below)); /* what is left to do, so that it stays a call */
	return below ^ depth;
}

static void attack(uint64_t millions) {
	(void)millions;
	enough = deeper(0);
}
