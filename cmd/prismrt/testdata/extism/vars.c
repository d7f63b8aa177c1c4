// Looks into the vars of a session from outside the plug-in that uses them.
#include "extism.h"

// part copies bytes of the input to a block.
static uint64_t part(uint64_t from, uint64_t to) {
	uint64_t block = alloc_(to - from);
	for (uint64_t n = from; n < to; n++)
		store_u8(block + n - from, input_load_u8(n));
	return block;
}

// set: the input is a name, a zero byte and the value.
EXPORT(set) int set(void) {
	uint64_t end = 0;
	while (end < input_length() && input_load_u8(end) != 0)
		end++;
	uint64_t name = part(0, end);
	var_set(name, part(end + 1, input_length()));
	return 0;
}

// get: the input is a name, the output its value. One that is not set fails with code 1.
EXPORT(get) int get(void) {
	uint64_t value = var_get(part(0, input_length()));
	if (value == 0)
		return 1;
	output_set(value, length_(value));
	return 0;
}

// hoard asks for blocks for ever.
EXPORT(hoard) int hoard(void) {
	for (;;)
		alloc_(input_length());
}

// request: the input is a description of a request, the output the status, the headers and the
// body of the answer.
EXPORT(request) int request(void) {
	uint64_t body = http_request(part(0, input_length()), 0);
	uint64_t headers = http_headers();
	uint32_t status = http_status_code();
	uint64_t all = alloc_(4 + length_(headers) + length_(body));
	for (int n = 0; n < 3; n++, status /= 10)
		store_u8(all + 2 - n, '0' + status % 10);
	store_u8(all + 3, ' ');
	for (uint64_t n = 0; n < length_(headers); n++)
		store_u8(all + 4 + n, load_u8(headers + n));
	for (uint64_t n = 0; n < length_(body); n++)
		store_u8(all + 4 + length_(headers) + n, load_u8(body + n));
	output_set(all, length_(all));
	return 0;
}
