/* Computes for a while, so that its slices of fuel become long, and then writes to its log without end: as
 * many calls of the host as fit into a slice. */
#include "guest.h"

static void attack(uint64_t millions) {
	(void)millions;
	static char text[4096];
	spin(50);
	for (;;) {
		prism_host_log(PRISM_ERROR, text, sizeof text);
	}
}
