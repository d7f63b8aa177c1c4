/* Sleeps, and sleeps again when it is woken, early or not. */
#include "wait.h"

static void attack(uint64_t millions) {
	(void)millions;
	for (;;) {
		wait_for_ever();
	}
}
