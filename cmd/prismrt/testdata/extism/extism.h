// What guests of the tests need of the Extism ABI.
#include <stdint.h>

#define HOST(name) __attribute__((import_module("extism:host/env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

HOST(alloc) uint64_t alloc_(uint64_t length);
HOST(length) uint64_t length_(uint64_t offset);
HOST(load_u8) uint8_t load_u8(uint64_t offset);
HOST(store_u8) void store_u8(uint64_t offset, uint8_t byte);
HOST(input_length) uint64_t input_length(void);
HOST(input_load_u8) uint8_t input_load_u8(uint64_t at);
HOST(output_set) void output_set(uint64_t offset, uint64_t length);
HOST(error_set) void error_set(uint64_t offset);
HOST(var_get) uint64_t var_get(uint64_t name);
HOST(var_set) void var_set(uint64_t name, uint64_t value);
HOST(http_request) uint64_t http_request(uint64_t request, uint64_t body);
HOST(http_status_code) uint32_t http_status_code(void);
HOST(http_headers) uint64_t http_headers(void);
