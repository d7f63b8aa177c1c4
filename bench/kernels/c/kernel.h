/* What the kernels share. Each exports one function, name(n): it does its work n times over and returns a
 * checksum of what came out, which n alone determines. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define KERNEL(name) __attribute__((export_name(#name))) int32_t name(int32_t n)

/* opaque is x, which the compiler no longer knows: a round with it is not found to be the round before. */
static inline int32_t opaque(int32_t x) {
	__asm__ volatile("" : "+r"(x));
	return x;
}

/* changed makes the compiler believe that what is at p was written and will be read. */
static inline void changed(void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

/* mix adds a value to a checksum. */
static inline uint32_t mix(uint32_t checksum, uint32_t value) { return checksum * 31 + value; }

/* next_random steps a xorshift generator (Marsaglia, "Xorshift RNGs", 2003). The state is never 0. */
static inline uint32_t next_random(uint32_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
