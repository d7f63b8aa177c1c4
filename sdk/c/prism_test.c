/* Runs the header natively against a host that answers every value with its key, some of them not. */
#include "prism.h"

static int failures;

static void expect(int holds, const char *what) {
	if (!holds) {
		failures++;
		fprintf(stderr, "%s\n", what);
	}
}

static int32_t answer(const char *prefix, const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	char value[64];
	if (key_length == 5 && memcmp(key, "unset", 5) == 0) {
		return -1;
	}
	int length = snprintf(value, sizeof value, "%s%.*s", prefix, (int)key_length, key);
	if (capacity > 0) {
		memcpy(to, value, (uint32_t)length < capacity ? (uint32_t)length : capacity);
	}
	return (int32_t)length;
}

int32_t prism_host_config_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return answer("config ", key, key_length, to, capacity);
}

int32_t prism_host_call_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return answer("call ", key, key_length, to, capacity);
}

static char told[64];

void prism_host_progress(int64_t done, int64_t total, const char *message, uint32_t length) {
	snprintf(told, sizeof told, "%lld/%lld %.*s", (long long)done, (long long)total, (int)length, message);
}

static unsigned char drawn;

int32_t prism_host_random(void *to, uint32_t length) {
	memset(to, drawn, length);
	return 0;
}

static int resumed;

PRISM_RESUME void resume(void) {
	resumed++;
	prism_reseed();
}

static void values_are_whole_and_end_with_zero(void) {
	size_t length = 0;
	char *value = prism_config("region", &length);
	expect(value != NULL && strcmp(value, "config region") == 0 && length == 13, "prism_config: region");
	free(value);
	value = prism_call_get("request_id", &length);
	expect(value != NULL && strcmp(value, "call request_id") == 0 && length == 15, "prism_call_get: request_id");
	free(value);
	value = prism_call_get("version", NULL);
	expect(value != NULL && strcmp(value, "call version") == 0, "prism_call_get: without a length");
	free(value);
	expect(prism_config("unset", &length) == NULL && prism_call_get("unset", NULL) == NULL, "a value that is not set");
}

static void reseeding_follows_the_host(void) {
	int numbers[3];
	for (int i = 0; i < 3; i++) {
		drawn = (unsigned char)(i % 2 + 1);
		resume();
		numbers[i] = rand();
	}
	expect(resumed == 3, "resume is a function");
	expect(numbers[0] != numbers[1] && numbers[0] == numbers[2], "rand() does not follow the seed");
	unsigned char bytes[5] = {0};
	prism_random(bytes + 1, 3);
	expect(bytes[0] == 0 && bytes[1] == drawn && bytes[3] == drawn && bytes[4] == 0, "prism_random fills what it is told");
}

static void progress_is_told(void) {
	prism_progress(5000000000, 6000000000, "halfway");
	expect(strcmp(told, "5000000000/6000000000 halfway") == 0, "prism_progress: with a message");
	prism_progress(1, 0, NULL);
	expect(strcmp(told, "1/0 ") == 0, "prism_progress: without one");
}

int main(void) {
	values_are_whole_and_end_with_zero();
	reseeding_follows_the_host();
	progress_is_told();
	if (failures == 0) {
		puts("ok");
	}
	return failures != 0;
}
