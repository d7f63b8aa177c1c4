/* A loop with nothing in it: there a check weighs most. */
#include "kernel.h"

KERNEL(empty) {
	int32_t i = 0;
	while (i < n) {
		i = opaque(i + 1);
	}
	return i;
}
