// Is linked with lib.c.
#include "extism.h"

#define LIB(name) __attribute__((import_module("lib"), import_name(#name)))

LIB(count) uint64_t count(void);
LIB(spin) void spin(void);
LIB(boom) void boom(void);
LIB(say) void say(uint64_t text);

// twice answers with what two calls of count came to, in a block that is made here and made the
// answer there.
EXPORT(twice) int twice(void) {
	uint64_t text = alloc_(2);
	store_u8(text, '0' + count());
	store_u8(text + 1, '0' + count());
	say(text);
	return 0;
}

EXPORT(spins) int spins(void) {
	spin();
	return 0;
}

EXPORT(booms) int booms(void) {
	boom();
	return 0;
}
