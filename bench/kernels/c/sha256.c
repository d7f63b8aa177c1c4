/* SHA-256 (FIPS 180-4) of messages of 4,096 bytes. */
#include <string.h>

#include "kernel.h"

enum { message_size = 4096, block_size = 64, digest_size = 32 };

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static uint32_t load(const uint8_t *at) {
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store(uint8_t *at, uint32_t x) {
	at[0] = (uint8_t)(x >> 24);
	at[1] = (uint8_t)(x >> 16);
	at[2] = (uint8_t)(x >> 8);
	at[3] = (uint8_t)x;
}

/* compress takes one block into the state. The names are those of the standard. */
static void compress(uint32_t state[8], const uint8_t *block) {
	uint32_t w[64];
	for (int t = 0; t < 16; t++) {
		w[t] = load(block + 4 * t);
	}
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	for (int t = 0; t < 64; t++) {
		uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
		uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[t] + w[t];
		uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
		uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

static void digest(const uint8_t *message, size_t length, uint8_t *out) {
	uint32_t state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	size_t at = 0;
	for (; at + block_size <= length; at += block_size) {
		compress(state, message + at);
	}
	uint8_t last[2 * block_size] = {0};
	size_t rest = length - at;
	memcpy(last, message + at, rest);
	last[rest] = 0x80;
	size_t end = rest + 9 <= block_size ? block_size : 2 * block_size;
	store(last + end - 8, (uint32_t)((uint64_t)length >> 29));
	store(last + end - 4, (uint32_t)length << 3);
	for (at = 0; at < end; at += block_size) {
		compress(state, last + at);
	}
	for (size_t i = 0; i < 8; i++) {
		store(out + 4 * i, state[i]);
	}
}

/* sha256 puts each digest at the beginning of the next message, and returns the beginning of the last one. */
KERNEL(sha256) {
	static uint8_t message[message_size];
	for (size_t i = 0; i < message_size; i++) {
		message[i] = (uint8_t)i;
	}
	for (int32_t round = 0; round < n; round++) {
		uint8_t out[digest_size];
		digest(message, message_size, out);
		memcpy(message, out, digest_size);
	}
	return (int32_t)load(message);
}
