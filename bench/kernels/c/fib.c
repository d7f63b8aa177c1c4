/* Bare recursion: a function that does little but call itself. */
#include "kernel.h"

enum { depth = 20 };

/* Without the attribute clang makes a loop of one of the two calls. */
__attribute__((noinline, disable_tail_calls)) static int32_t fibonacci(int32_t n) {
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

KERNEL(fib) {
	uint32_t sum = 0;
	for (int32_t round = 0; round < n; round++) {
		sum += (uint32_t)fibonacci(opaque(depth));
	}
	return (int32_t)sum;
}
