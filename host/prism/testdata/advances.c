/* Tells how far it is, and logs its input. */
#include "prism.h"

PRISM_EXPORT("advance") int32_t advance(void) {
	size_t length;
	char *in = prism_input(&length);
	prism_progress(1, 2, in);
	prism_log(PRISM_WARN, in);
	prism_progress(5000000000, 0, NULL);
	free(in);
	return 0;
}
