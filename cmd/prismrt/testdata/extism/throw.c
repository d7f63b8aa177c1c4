// Stands in for Extism's throw.wasm, which does not ship with its other test plug-ins.
#include "extism.h"

EXPORT(run_test) int run_test(void) {
	static const char message[] = "my custom error";
	uint64_t block = alloc_(sizeof message - 1);
	for (uint64_t n = 0; n < sizeof message - 1; n++)
		store_u8(block + n, message[n]);
	error_set(block);
	return 0; // which does not make it a success
}
