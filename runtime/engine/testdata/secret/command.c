/* command.c: a program that keeps what it is told, wherever it can, and tells what it finds there.
 *
 * Its input is "put HOW SECRET" or "get". HOW says how it ends. The environment's BEFORE says what it does
 * before it reads. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

static char kept[4096];
static char given[64] = "as it was compiled";
static char *block; /* on the heap since before the input was read */
static void *volatile other; /* of no use */
static int calls;

/* Leaves the secret in the stack below its caller. */
static __attribute__((noinline)) void on_the_stack(const char *secret) {
	char room[8192];
	for (size_t at = 0; at + 64 < sizeof room; at += 64) {
		strncpy(room + at, secret, 63);
	}
	__asm__ volatile("" : : "r"(room) : "memory");
}

/* Adds up what the stack below its caller holds, and all that is on the heap. */
static __attribute__((noinline)) uint32_t leftovers(const unsigned char *from, const unsigned char *to) {
	uint32_t sum = 0;
	for (; from < to; from++) {
		sum = sum * 31 + *from;
	}
	return sum;
}

static __attribute__((noinline)) int deep(int n) {
	volatile int here = n;
	return n < 0 ? 0 : deep(n + 1) + here;
}

static void move(__wasi_fd_t from, __wasi_fd_t to) {
	if (__wasi_fd_renumber(from, to) != 0) {
		exit(9);
	}
}

static void find(void) {
	extern unsigned char __heap_base, __data_end, __global_base;
	unsigned char here;
	size_t pages = __builtin_wasm_memory_size(0);
	uint32_t all = leftovers(&__heap_base, (unsigned char *)(pages << 16));
	uint32_t stack = leftovers(&__data_end, &here - 4096); /* below are what the sums take */
	char *fresh = malloc(100000);
	char text[256];
	int n = snprintf(text, sizeof text, "%.40s|%.40s|%.40s|%.20s|calls %d|%u pages|heap %x|stack %x|", kept, given, block, fresh, calls,
	                 (unsigned)pages, (unsigned)all, (unsigned)stack);
	for (__wasi_fd_t fd = 0; fd < 5; fd++) {
		__wasi_fdstat_t stat = {0};
		int e = __wasi_fd_fdstat_get(fd, &stat);
		n += snprintf(text + n, sizeof text - n, " %d:%x", e, stat.fs_flags);
	}
	for (int fd = 1; fd < 3; fd++) {
		if (write(fd, text, n) == n) {
			break;
		}
	}
}

static void put(const char *how, const char *secret) {
	extern unsigned char __heap_base;
	strncpy(kept, secret, sizeof kept - 1);
	strncpy(given, secret, sizeof given - 1);
	strncpy(block, secret, 99);
	on_the_stack(secret);
	while (__builtin_wasm_memory_grow(0, 1) != SIZE_MAX && __builtin_wasm_memory_size(0) < 64) {
	}
	char *end = (char *)(__builtin_wasm_memory_size(0) << 16);
	for (char *at = end - 300000; at + 64 < end; at += 64) {
		strncpy(at, secret, 63);
	}
	fcntl(1, F_SETFL, O_NONBLOCK);
	fcntl(2, F_SETFL, O_APPEND);
	fprintf(stderr, "%s\n", secret);
	switch (how[0]) {
	case 'e':
		exit(3);
	case 't':
		__builtin_trap();
	case 'l':
		for (;;) {
			__asm__ volatile("");
		}
	case 'c':
		for (int fd = 0; fd < 3; fd++) {
			close(fd);
		}
		break;
	case 'f':
		move(2, 1);
		abort();
	default:
		if (how[2] == 'c') { /* recurse */
			deep(0);
		}
	}
}

int main(void) {
	const char *before = getenv("BEFORE");
	char in[4096];
	size_t have = 0;
	block = malloc(100);
	strcpy(block, "as it was allocated");
	switch (before == NULL ? 0 : before[0]) {
	case 'c':
		close(2);
		break;
	case 'm':
		move(0, 2);
		move(2, 0);
		break;
	case 'a':
		other = memset(malloc(3000000), 7, 3000000);
		break;
	case 'r':
		have = read(0, in, 4);
		break;
	}
	for (ssize_t n; (n = read(0, in + have, sizeof in - 1 - have)) > 0;) {
		have += n;
	}
	in[have] = 0;
	calls++;
	if (strncmp(in, "put ", 4) == 0) {
		char *secret = strchr(in + 4, ' ');
		put(in + 4, secret == NULL ? "" : secret + 1);
		return 0;
	}
	find();
	return 0;
}
