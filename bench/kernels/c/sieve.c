/* The sieve of Eratosthenes: counts the primes below limit. */
#include <stdbool.h>
#include <string.h>

#include "kernel.h"

enum { limit = 1 << 16 };

static bool composite[limit];

static uint32_t count_primes(void) {
	memset(composite, 0, sizeof composite);
	uint32_t primes = 0;
	for (size_t i = 2; i < limit; i++) {
		if (composite[i]) {
			continue;
		}
		primes++;
		for (size_t multiple = i * i; multiple < limit; multiple += i) {
			composite[multiple] = true;
		}
	}
	return primes;
}

KERNEL(sieve) {
	uint32_t sum = 0;
	for (int32_t round = 0; round < n; round++) {
		sum += count_primes();
		changed(composite);
	}
	return (int32_t)sum;
}
