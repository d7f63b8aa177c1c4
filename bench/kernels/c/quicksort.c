/* Quicksort by Hoare's partition, with insertion sort for what is short. */
#include "kernel.h"

enum { count = 4096, few = 12 };

static uint32_t values[count];

static void insertion_sort(uint32_t *v, ptrdiff_t low, ptrdiff_t high) {
	for (ptrdiff_t i = low + 1; i <= high; i++) {
		uint32_t value = v[i];
		ptrdiff_t at = i;
		for (; at > low && v[at - 1] > value; at--) {
			v[at] = v[at - 1];
		}
		v[at] = value;
	}
}

/* sort sorts v[low] to v[high]. */
static void sort(uint32_t *v, ptrdiff_t low, ptrdiff_t high) {
	while (high - low >= few) {
		uint32_t pivot = v[low + (high - low) / 2];
		ptrdiff_t i = low, j = high;
		while (i <= j) {
			while (v[i] < pivot) {
				i++;
			}
			while (v[j] > pivot) {
				j--;
			}
			if (i <= j) {
				uint32_t swapped = v[i];
				v[i++] = v[j];
				v[j--] = swapped;
			}
		}
		sort(v, low, j);
		low = i;
	}
	insertion_sort(v, low, high);
}

KERNEL(quicksort) {
	uint32_t random = 1, checksum = 0;
	for (int32_t round = 0; round < n; round++) {
		for (size_t i = 0; i < count; i++) {
			values[i] = next_random(&random);
		}
		sort(values, 0, count - 1);
		for (size_t i = 0; i < count; i++) {
			checksum = mix(checksum, values[i]);
		}
	}
	return (int32_t)checksum;
}
