/* guest.h: what the hostile guests share. Each defines attack, and includes this: a handler that answers
 * "ok" at once, unless its input begins with "attack". */
#ifndef GUEST_H
#define GUEST_H

#include "prism.h"

/* Misbehaves. millions is the number in "attack 500", 0 where there is none: a guest that can end, ends
 * after so many millions of turns. */
static void attack(uint64_t millions);

PRISM_EXPORT("handle") int32_t handle(void) {
	size_t length;
	char *in = prism_input(&length);
	if (in == NULL) {
		return prism_fail("no memory for the input");
	}
	if (strncmp(in, "attack", 6) == 0) {
		attack(strtoull(in + 6, NULL, 10));
	}
	prism_write_text("ok");
	free(in);
	return 0;
}

/* Takes so many turns, without end for 0. The compiler must believe that each does something. */
static inline void spin(uint64_t millions) {
	for (uint64_t left = millions * 1000000; millions == 0 || left > 0; left--) {
		__asm__ volatile("");
	}
}

/* Grows the memory up to its limit. Returns where what nobody uses begins, and how long that is. */
static inline char *all_memory(size_t *length) {
	extern char __heap_base;
	const size_t page = 65536;
	while (__builtin_wasm_memory_grow(0, 16) != SIZE_MAX) {
	}
	char *begin = &__heap_base + page; /* behind what malloc gave out for the input */
	*length = __builtin_wasm_memory_size(0) * page - (size_t)begin;
	return begin;
}

#endif
