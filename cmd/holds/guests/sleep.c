/* Sleeps, and succeeds when it wakes. */
#include "wait.h"

static void attack(uint64_t millions) {
	(void)millions;
	wait_for_ever();
}
