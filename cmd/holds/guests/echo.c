/* Answers its input: the well-behaved guest. */
#include "prism.h"

PRISM_EXPORT("handle") int32_t handle(void) {
	size_t length;
	char *in = prism_input(&length);
	if (in == NULL) {
		return prism_fail("no memory for the input");
	}
	prism_write(in, length);
	free(in);
	return 0;
}
