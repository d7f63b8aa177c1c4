// A web endpoint that does what PATH_INFO says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char body[1 << 20];

static const char *variable(const char *name) {
	const char *value = getenv(name);
	return value == NULL ? "" : value;
}

// loop keeps the compiler from leaving out a loop that does nothing.
static volatile unsigned loop;

int main(void) {
	static int served; // which a rewound guest has not
	const char *path = variable("PATH_INFO");
	size_t length = fread(body, 1, sizeof body, stdin);

	if (strcmp(path, "/raw") == 0) { // the request's body is the whole answer, header and all
		fwrite(body, 1, length, stdout);
	} else if (strncmp(path, "/get/", 5) == 0) { // one variable
		printf("Content-Type: text/plain\n\n%s", variable(path + 5));
	} else if (strcmp(path, "/echo") == 0) {
		printf("Content-Type: %s\r\nX-Served: %d\r\n\r\n", variable("CONTENT_TYPE"), ++served);
		fwrite(body, 1, length, stdout);
	} else if (strcmp(path, "/trap") == 0) {
		printf("Content-Type: text/plain\n\nhalf");
		fflush(stdout);
		__builtin_trap();
	} else if (strcmp(path, "/loop") == 0) {
		for (;;)
			loop++;
	} else if (strcmp(path, "/exit") == 0) {
		fprintf(stderr, "no such luck\n");
		return 3;
	} else {
		printf("Status: 404 Not Found\nContent-Type: text/plain\n\nnothing at %s\n", path);
	}
	return 0;
}
