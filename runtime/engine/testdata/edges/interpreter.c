/* interpreter.c: reads a script to the end of its input, runs it, and reads its input after that. A line of
 * a script is a word and what it is to work on. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

static unsigned char library[3 << 19]; /* what an interpreter brings along */
static char script[1 << 16], in[1 << 16], name[100];
static int turns;
static void *volatile block; /* the last that was allocated */

static size_t take(char *to, size_t room) {
	size_t have = 0;
	for (ssize_t n; (n = read(0, to + have, room - 1 - have)) > 0;) {
		have += n;
	}
	to[have] = 0;
	return have;
}

static void run(char *line) {
	char *rest = strchr(line, ' ');
	rest = rest == NULL ? "" : rest + 1;
	switch (line[0]) {
	case 'n': /* name */
		snprintf(name, sizeof name, "%s", rest);
		break;
	case 'p': /* print */
		printf("%s;", rest);
		fflush(stdout);
		break;
	case 'l': /* log */
		fprintf(stderr, "%s\n", rest);
		break;
	case 'e': /* exit */
		exit(atoi(rest));
	case 't': /* trap */
		__builtin_trap();
	case 's': /* spin */
		for (;;) {
			__asm__ volatile("");
		}
	case 'a': /* allocate */
		block = memset(malloc(atoi(rest)), 5, atoi(rest));
		break;
	case 'd': /* draw */
	{
		uint64_t n = 0;
		if (__wasi_random_get((uint8_t *)&n, sizeof n) != 0) {
			exit(8);
		}
		snprintf(name, sizeof name, "%llx", (unsigned long long)n);
		break;
	}
	case 'c': /* close */
		close(atoi(rest));
		break;
	}
}

int main(void) {
	for (size_t at = 0; at < sizeof library; at++) {
		library[at] = at * 7 + (at >> 8) + 1;
	}
	size_t length = take(script, sizeof script);
	for (char *line = script, *end; line < script + length; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL) {
			end = line + strlen(line);
		}
		*end = 0;
		run(line);
	}
	size_t have = take(in, sizeof in);
	uint32_t sum = 0;
	for (size_t at = 0; at < sizeof library; at++) {
		sum = sum * 31 + library[at];
	}
	turns++;
	printf("%s: %s, turn %d, %x", name, in, turns, (unsigned)sum);
	if (strcmp(in, "spoil") == 0) {
		memset(library, 0, sizeof library);
		memset(script, 'x', sizeof script);
		block = memset(malloc(1 << 20), 'x', 1 << 20);
		fflush(stdout);
		_exit(4);
	}
	if (have > 0 && in[0] == '!') {
		run(in + 1);
	}
	return 0;
}
