/* Sleeps, and when its sleep ended early works on as if nothing had happened. */
#include "wait.h"

static void attack(uint64_t millions) {
	wait_for_ever();
	spin(millions);
}
