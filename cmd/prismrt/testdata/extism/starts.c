// Calls what it is linked with, lib.c, while it starts.
#include "extism.h"

__attribute__((import_module("lib"), import_name("count"))) uint64_t count(void);

static uint64_t before;

EXPORT(_initialize) void initialise(void) { before = count(); }

EXPORT(told) int told(void) {
	uint64_t text = alloc_(2);
	store_u8(text, '0' + before);
	store_u8(text + 1, '0' + count());
	output_set(text, 2);
	return 0;
}
