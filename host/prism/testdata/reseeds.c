/* Answers the id of the call, and what rand(), a generator seeded at the start and the host draw. */
#include "prism.h"

static unsigned started;

__attribute__((constructor)) static void start(void) { prism_random(&started, sizeof started); }

PRISM_RESUME void resume(void) { prism_reseed(); }

PRISM_EXPORT("handle") int32_t handle(void) {
	char out[128];
	unsigned live;
	char *id = prism_call_get("request_id", NULL);
	prism_random(&live, sizeof live);
	int length = snprintf(out, sizeof out, "%s %d %u %u", id, rand(), live, started);
	prism_write(out, (size_t)length);
	return 0;
}
