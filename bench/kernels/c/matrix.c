/* The product of two square matrices of doubles. Their entries are small integers, so that the result is
 * exact in whatever order it is added up. */
#include "kernel.h"

enum { size = 64 };

static double a[size][size], b[size][size], product[size][size];

static void fill(void) {
	for (int i = 0; i < size; i++) {
		for (int j = 0; j < size; j++) {
			a[i][j] = (i * 3 + j) % 7;
			b[i][j] = (i + j * 5) % 11;
		}
	}
}

static void multiply(void) {
	for (int i = 0; i < size; i++) {
		for (int j = 0; j < size; j++) {
			double sum = 0;
			for (int k = 0; k < size; k++) {
				sum += a[i][k] * b[k][j];
			}
			product[i][j] = sum;
		}
	}
}

KERNEL(matrix) {
	fill();
	uint32_t checksum = 0;
	for (int32_t round = 0; round < n; round++) {
		multiply();
		changed(product);
		checksum = mix(checksum, (uint32_t)product[round % size][round / size % size]);
	}
	return (int32_t)checksum;
}
