/* The sum over an array of 16 MiB, more than most caches that are close to a core hold: bound by memory. */
#include "kernel.h"

enum { count = 1 << 22 };

static uint32_t values[count];

KERNEL(sum) {
	/* Once an instance: filling takes longer than a round. */
	if (values[0] == 0) {
		uint32_t random = 1;
		for (size_t i = 0; i < count; i++) {
			values[i] = next_random(&random);
		}
	}
	uint32_t sum = 0;
	for (int32_t round = 0; round < n; round++) {
		changed(values);
		for (size_t i = 0; i < count; i++) {
			sum += values[i];
		}
	}
	return (int32_t)sum;
}
