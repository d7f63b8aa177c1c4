// Functions that plug-ins of the cases import from their host: here a linked module has them.
#include "extism.h"

EXPORT(mult) uint64_t mult(uint64_t a, uint64_t b) { return (uint32_t)((int32_t)a * (int32_t)b); }

EXPORT(to_upper) uint64_t to_upper(uint64_t text) {
	uint64_t length = length_(text), upper = alloc_(length);
	for (uint64_t n = 0; n < length; n++) {
		uint8_t c = load_u8(text + n);
		store_u8(upper + n, c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	return upper;
}

static uint64_t after(const char *begin, uint64_t text) {
	uint64_t at = 0, length = length_(text);
	while (begin[at])
		at++;
	uint64_t both = alloc_(at + length);
	for (uint64_t n = 0; n < at; n++)
		store_u8(both + n, begin[n]);
	for (uint64_t n = 0; n < length; n++)
		store_u8(both + at + n, load_u8(text + n));
	return both;
}

EXPORT(hostGreenMessage) uint64_t green(uint64_t text) { return after("\U0001F7E2:", text); }

EXPORT(hostPurpleMessage) uint64_t purple(uint64_t text) { return after("\U0001F7E3:", text); }
