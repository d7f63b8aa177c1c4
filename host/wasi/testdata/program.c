// Shows a guest's surroundings: the report must not depend on whose WASI it runs on.
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void at_exit(void) { printf("at exit\n"); }

// Sleeps until 20 ms from now by a clock; says how that went and whether it is that late.
static void until(const char *name, clockid_t clock) {
	struct timespec at, now;
	clock_gettime(clock, &at);
	at.tv_nsec += 20000000;
	if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
	int error = clock_nanosleep(clock, TIMER_ABSTIME, &at, NULL);
	clock_gettime(clock, &now);
	printf("%s: %d %d\n", name, error, now.tv_sec > at.tv_sec || (now.tv_sec == at.tv_sec && now.tv_nsec >= at.tv_nsec));
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "until") == 0) {
		until("realtime", CLOCK_REALTIME);
		until("monotonic", CLOCK_MONOTONIC);
		return 0;
	}
	int c;
	while ((c = getchar()) != EOF) putchar(toupper(c));
	printf("\nend of input: %d, error: %d\n", feof(stdin), ferror(stdin));
	for (int i = 0; i < argc; i++) printf("argument %d '%s'\n", i, argv[i]);
	for (char **e = environ; *e; e++) printf("environment '%s'\n", *e);
	printf("KEY '%s', none %d\n", getenv("KEY"), getenv("NONE") == NULL);

	for (int fd = 0; fd < 4; fd++) {
		struct stat st;
		errno = 0;
		int tty = isatty(fd);
		printf("descriptor %d: tty %d, ", fd, tty);
		int r = fstat(fd, &st);
		if (r == 0) printf("mode %o, size %lld\n", (unsigned)st.st_mode, (long long)st.st_size);
		else printf("%s\n", strerror(errno));
	}
	FILE *f = fopen("/etc/passwd", "r");
	printf("a file: %d\n", f != NULL);

	struct timespec before, after, res;
	printf("time: %d\n", time(NULL) > 1600000000);
	printf("resolution: %d\n", clock_getres(CLOCK_MONOTONIC, &res));
	clock_gettime(CLOCK_MONOTONIC, &before);
	int slept = usleep(20000);
	clock_gettime(CLOCK_MONOTONIC, &after);
	double passed = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	printf("slept: %d %d %d\n", slept, passed >= 0.02, passed < 20);

	unsigned char one[32], other[32];
	printf("random: %d %d %d\n", getentropy(one, sizeof one), getentropy(other, sizeof other), memcmp(one, other, sizeof one) != 0);

	struct pollfd fds = {.fd = 0, .events = POLLIN};
	int ready = poll(&fds, 1, 10);
	printf("poll: %d %d\n", ready, (fds.revents & POLLIN) != 0);

	fflush(stdout);
	struct iovec parts[] = {{"one ", 4}, {"", 0}, {"two\n", 4}};
	ssize_t n = writev(1, parts, 3);
	printf("writev: %zd\n", n);
	fprintf(stderr, "a line of log\n");
	printf("seek: %d\n", lseek(0, 0, SEEK_CUR) == -1);
	printf("close: %d %d\n", close(0), close(0));
	atexit(at_exit);
	return 9;
}
