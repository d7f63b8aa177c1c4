// What main.c is linked with.
#include "extism.h"

static uint64_t calls;

// count tells how often it was called, which is once unless a call has left something behind.
EXPORT(count) uint64_t count(void) { return ++calls; }

EXPORT(spin) void spin(void) {
	for (volatile int n = 0;; n++)
		;
}

EXPORT(boom) void boom(void) { __builtin_trap(); }

EXPORT(say) void say(uint64_t text) { output_set(text, length_(text)); }
