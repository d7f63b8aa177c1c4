/* Base64 (RFC 4648), encoded and decoded again. */
#include <string.h>

#include "kernel.h"

enum { size = 3 * 1024 + 1, encoded_size = (size + 2) / 3 * 4 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint8_t data[size], decoded[encoded_size / 4 * 3];
static char encoded[encoded_size];
static uint8_t values[256]; /* of the alphabet's characters */

static void encode(const uint8_t *in, size_t length, char *out) {
	size_t i = 0;
	for (; i + 3 <= length; i += 3) {
		uint32_t bits = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = alphabet[bits >> 6 & 63];
		*out++ = alphabet[bits & 63];
	}
	if (i < length) {
		uint32_t bits = (uint32_t)in[i] << 16 | (i + 1 < length ? (uint32_t)in[i + 1] << 8 : 0);
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = i + 1 < length ? alphabet[bits >> 6 & 63] : '=';
		*out = '=';
	}
}

/* decode reads length characters, a multiple of 4, and returns how many bytes they stand for. */
static size_t decode(const char *in, size_t length, uint8_t *out) {
	uint8_t *start = out;
	for (size_t i = 0; i < length; i += 4) {
		uint32_t bits = 0;
		for (size_t j = 0; j < 4; j++) {
			bits = bits << 6 | values[(uint8_t)in[i + j]];
		}
		*out++ = (uint8_t)(bits >> 16);
		*out++ = (uint8_t)(bits >> 8);
		*out++ = (uint8_t)bits;
	}
	size_t padding = (in[length - 1] == '=') + (in[length - 2] == '=');
	return (size_t)(out - start) - padding;
}

/* base64 returns a checksum of the texts, and 0 when one of them was not decoded to what it came from. */
KERNEL(base64) {
	for (uint8_t i = 0; i < 64; i++) {
		values[(uint8_t)alphabet[i]] = i;
	}
	uint32_t random = 1, checksum = 0;
	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)next_random(&random);
	}
	for (int32_t round = 0; round < n; round++) {
		data[round % size]++;
		encode(data, size, encoded);
		changed(encoded);
		if (decode(encoded, encoded_size, decoded) != size || memcmp(data, decoded, size) != 0) {
			return 0;
		}
		for (size_t i = 0; i < encoded_size; i++) {
			checksum = mix(checksum, (uint8_t)encoded[i]);
		}
	}
	return (int32_t)checksum;
}
