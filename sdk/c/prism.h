/* prism.h: what a prismrt plugin written in C or C++ includes.
 *
 * A plugin exports handlers; the server calls them with each input and sends back what they write:
 *
 *	#include "prism.h"
 *
 *	PRISM_EXPORT("handle") int32_t handle(void) {
 *		size_t length;
 *		char *in = prism_input(&length);
 *		if (in == NULL) {
 *			return prism_fail("no memory for the input");
 *		}
 *		prism_write(in, length);
 *		free(in);
 *		return 0;
 *	}
 *
 * It is built as a reactor, a module that is initialised once and then called many times:
 *
 *	clang --target=wasm32-wasi -O2 -mexec-model=reactor -I sdk/c -o echo.wasm echo.c
 *
 * A handler returns 0 when it succeeded. "handle" is the one that runs when a call names no function.
 *
 * Every call starts from the memory that constructors left behind, and nothing of a call survives it:
 * memory that a handler does not free is not lost, and what it stores in a global is gone with the
 * next call. The server runs the constructors once for a version and keeps that memory. What they left
 * and must not be the same in every call is made anew by PRISM_RESUME.
 *
 * Compiled for anything but WebAssembly, the functions prism_host_* are plain declarations, and a test
 * links its own.
 */
#ifndef PRISM_H
#define PRISM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define PRISM_LINKAGE extern "C"
#else
#define PRISM_LINKAGE extern
#endif

#ifdef __wasm__
#define PRISM_IMPORT(name) PRISM_LINKAGE __attribute__((import_module("prism"), import_name(name)))
#define PRISM_EXPORT_ATTRIBUTE(name) __attribute__((export_name(name)))
#else
#define PRISM_IMPORT(name) PRISM_LINKAGE
#define PRISM_EXPORT_ATTRIBUTE(name)
#endif

/* PRISM_EXPORT stands before the definition of a handler, int32_t f(void), and gives the name by which
 * it is called. */
#ifdef __cplusplus
#define PRISM_EXPORT(name) extern "C" PRISM_EXPORT_ATTRIBUTE(name)
#else
#define PRISM_EXPORT(name) PRISM_EXPORT_ATTRIBUTE(name)
#endif

/* PRISM_RESUME stands before the definition of a function, void f(void), that the server runs at the
 * beginning of each call, before the handler, or before a program goes on from its first read:
 *
 *	PRISM_RESUME void resume(void) { prism_reseed(); }
 *
 * A plugin has at most one. It does not run when the manifest has image = "off": constructors then run for
 * each call. */
#define PRISM_RESUME PRISM_EXPORT("prism_resume")

/* The host's functions. Lengths and offsets are in bytes; text is UTF-8 and needs no zero at its end.
 * The helpers below are easier to call. */

/* The length of the input; 0 while the plugin is initialised. */
PRISM_IMPORT("input_len") int32_t prism_host_input_len(void);

/* Copies up to length bytes of the input from offset on. Returns the bytes copied, 0 at the end of the
 * input, -1 when refused. */
PRISM_IMPORT("input_read") int32_t prism_host_input_read(void *to, uint32_t offset, uint32_t length);

/* Adds to the output. Past the output limit the host ends the call. */
PRISM_IMPORT("output_write") void prism_host_output_write(const void *from, uint32_t length);

/* Sets the message the call fails with, whatever the handler then returns. */
PRISM_IMPORT("fail") void prism_host_fail(const char *message, uint32_t length);

/* Writes a line to the plugin's log. */
PRISM_IMPORT("log") void prism_host_log(int32_t level, const char *message, uint32_t length);

/* Tells how far the call is, done of total, for who watches the task it runs for. A total of 0 is not
 * known; the message may be empty. */
PRISM_IMPORT("progress") void prism_host_progress(int64_t done, int64_t total, const char *message, uint32_t length);

/* Copies as much of a config value as fits into capacity bytes. Returns the length of the whole value,
 * -1 when the key is not set. */
PRISM_IMPORT("config_get") int32_t prism_host_config_get(const char *key, uint32_t key_length, void *to, uint32_t capacity);

/* As prism_host_config_get, of what is known of the call: prism_call_get has the keys. */
PRISM_IMPORT("call_get") int32_t prism_host_call_get(const char *key, uint32_t key_length, void *to, uint32_t capacity);

/* Fills length bytes at random. Returns 0. This one is of WASI, and there without wasi-libc, too. */
#ifdef __wasm__
PRISM_LINKAGE __attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get")))
#else
PRISM_LINKAGE
#endif
int32_t prism_host_random(void *to, uint32_t length);

/* The levels of the log, from the least to the most important. */
enum prism_level {
	PRISM_DEBUG = 0,
	PRISM_INFO = 1,
	PRISM_WARN = 2,
	PRISM_ERROR = 3
};

/* The most bytes of a message that prism_failf and prism_logf pass on; the rest is cut off. */
#define PRISM_MESSAGE_MAX 1024

/* prism_input returns the whole input, followed by a zero byte that length does not count, in memory
 * the caller frees. It returns NULL when there is no memory for it or the host refused. */
static inline char *prism_input(size_t *length) {
	int32_t size = prism_host_input_len();
	char *in = size < 0 ? NULL : (char *)malloc((size_t)size + 1);
	if (in == NULL) {
		return NULL;
	}
	int32_t read = 0;
	while (read < size) {
		int32_t n = prism_host_input_read(in + read, (uint32_t)read, (uint32_t)(size - read));
		if (n <= 0) {
			free(in);
			return NULL;
		}
		read += n;
	}
	in[size] = '\0';
	*length = (size_t)size;
	return in;
}

/* prism_write adds bytes to the output; it may be called many times. */
static inline void prism_write(const void *from, size_t length) {
	if (length > 0) {
		prism_host_output_write(from, (uint32_t)length);
	}
}

/* prism_write_text adds a C string to the output. */
static inline void prism_write_text(const char *text) { prism_write(text, strlen(text)); }

/* prism_fail sets the message the caller receives and returns 1, for a handler to return. */
static inline int32_t prism_fail(const char *message) {
	prism_host_fail(message, (uint32_t)strlen(message));
	return 1;
}

/* prism_log writes one line to the plugin's log; it needs no newline. */
static inline void prism_log(enum prism_level level, const char *message) {
	prism_host_log((int32_t)level, message, (uint32_t)strlen(message));
}

/* prism_progress tells how far the call is: done of total, in any unit, where a total of 0 is not known,
 * and a word on what it does, which may be NULL. Who watches the task sees the latest. */
static inline void prism_progress(int64_t done, int64_t total, const char *message) {
	if (message == NULL) {
		message = "";
	}
	prism_host_progress(done, total, message, (uint32_t)strlen(message));
}

/* prism_format is vsnprintf into PRISM_MESSAGE_MAX + 2 bytes. It returns the length of what is to be
 * passed on: whole characters, PRISM_MESSAGE_MAX bytes at most. */
static inline size_t prism_format(char *message, const char *format, va_list arguments) {
	int wanted = vsnprintf(message, PRISM_MESSAGE_MAX + 2, format, arguments);
	if (wanted <= PRISM_MESSAGE_MAX) {
		return wanted < 0 ? 0 : (size_t)wanted;
	}
	size_t length = PRISM_MESSAGE_MAX;
	while (length > 0 && ((unsigned char)message[length] & 0xc0) == 0x80) { /* inside a character */
		length--;
	}
	return length;
}

/* prism_failf is prism_fail with a format as of printf. It adds some 20 KB to a plugin. */
__attribute__((format(printf, 1, 2))) static inline int32_t prism_failf(const char *format, ...) {
	char message[PRISM_MESSAGE_MAX + 2];
	va_list arguments;
	va_start(arguments, format);
	size_t length = prism_format(message, format, arguments);
	va_end(arguments);
	prism_host_fail(message, (uint32_t)length);
	return 1;
}

/* prism_logf is prism_log with a format as of printf. It adds some 20 KB to a plugin. */
__attribute__((format(printf, 2, 3))) static inline void prism_logf(enum prism_level level, const char *format, ...) {
	char message[PRISM_MESSAGE_MAX + 2];
	va_list arguments;
	va_start(arguments, format);
	size_t length = prism_format(message, format, arguments);
	va_end(arguments);
	prism_host_log((int32_t)level, message, (uint32_t)length);
}

/* prism_value is prism_config of what get copies. */
static inline char *prism_value(int32_t (*get)(const char *, uint32_t, void *, uint32_t), const char *key, size_t *length) {
	uint32_t key_length = (uint32_t)strlen(key);
	int32_t size = get(key, key_length, NULL, 0);
	char *value = size < 0 ? NULL : (char *)malloc((size_t)size + 1);
	if (value == NULL) {
		return NULL;
	}
	get(key, key_length, value, (uint32_t)size);
	value[size] = '\0';
	if (length != NULL) {
		*length = (size_t)size;
	}
	return value;
}

/* prism_config returns the value the operator granted under key in the plugin's manifest ([grants]
 * config), followed by a zero byte, in memory the caller frees. It returns NULL when the key is not set
 * or there is no memory for the value; length may be NULL. */
static inline char *prism_config(const char *key, size_t *length) {
	return prism_value(prism_host_config_get, key, length);
}

/* prism_call_get is prism_config of what is known of the call in progress:
 *
 *	request_id      a ULID: the caller has it as Prism-Request-Id, and the server's log tells it
 *	function        the handler that was called, the default one if the call named none
 *	plugin, version the name the plugin was pushed under, and the number of the version that runs
 *	deadline        when the server will stop the call, as 2026-03-01T12:00:00.000Z; not set without one
 */
static inline char *prism_call_get(const char *key, size_t *length) {
	return prism_value(prism_host_call_get, key, length);
}

/* prism_random fills memory at random: from the server in a call, and the same for all calls in a
 * constructor. */
static inline void prism_random(void *to, size_t length) {
	if (prism_host_random(to, (uint32_t)length) != 0) {
		abort();
	}
}

/* prism_reseed gives rand() numbers of its own for this call; see PRISM_RESUME. Other generators (random(),
 * drand48(), those of <random>) are seeded from prism_random in the same way. */
static inline void prism_reseed(void) {
	unsigned seed;
	prism_random(&seed, sizeof seed);
	srand(seed);
}

#endif
