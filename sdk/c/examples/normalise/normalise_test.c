/* Runs the plugin natively on the messages that the same plugin in Go is tested with, on every beginning
 * of each of them, and on what no exchange would send. */
#include <stdbool.h>

#include "prism.h"

int32_t handle(void);

/* The host of the call in progress. */
static struct {
	const char *input;
	size_t input_length;
	char *output;
	size_t output_length;
	bool failed;
	char failure[1024];
} host;

int32_t prism_host_input_len(void) { return (int32_t)host.input_length; }

int32_t prism_host_input_read(void *to, uint32_t offset, uint32_t length) {
	if (offset > host.input_length) {
		return -1;
	}
	size_t left = host.input_length - offset;
	size_t n = length < left ? length : left;
	memcpy(to, host.input + offset, n);
	return (int32_t)n;
}

void prism_host_output_write(const void *from, uint32_t length) {
	host.output = realloc(host.output, host.output_length + length + 1);
	memcpy(host.output + host.output_length, from, length);
	host.output_length += length;
	host.output[host.output_length] = '\0';
}

void prism_host_fail(const char *message, uint32_t length) {
	host.failed = true;
	size_t n = length < sizeof host.failure - 1 ? length : sizeof host.failure - 1;
	memcpy(host.failure, message, n);
	host.failure[n] = '\0';
}

static int failures;

static void report(const char *what, const char *message, size_t length, const char *got, const char *want) {
	failures++;
	fprintf(stderr, "%s\n  of   %.*s\n  got  %s\n  want %s\n", what, (int)(length < 2000 ? length : 2000), message, got, want);
}

/* call runs the handler on one message; the output is added to that of the calls before. */
static void call(const char *message, size_t length) {
	host.input = message;
	host.input_length = length;
	host.failed = false;
	host.failure[0] = '\0';
	int32_t status = handle();
	if ((status != 0) != host.failed) {
		report("the status does not tell what happened", message, length, status == 0 ? "0" : "not 0", host.failure);
	}
}

static void drop_output(void) {
	free(host.output);
	host.output = NULL;
	host.output_length = 0;
}

static void expect_failure(const char *message, size_t length, const char *want) {
	call(message, length);
	if (!host.failed || strcmp(host.failure, want) != 0) {
		report("failure", message, length, host.failed ? host.failure : host.output, want);
	}
	drop_output();
}

/* read_file returns a file followed by a zero byte. */
static char *read_file(const char *directory, const char *name) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	char *text = NULL;
	size_t length = 0;
	size_t n = 1;
	while (n > 0) {
		text = realloc(text, length + 65536 + 1);
		n = fread(text + length, 1, 65536, file);
		length += n;
	}
	text[length] = '\0';
	fclose(file);
	return text;
}

/* next_line cuts the next line off *rest, or returns NULL after the last. */
static char *next_line(char **rest) {
	char *line = *rest;
	char *end = strchr(line, '\n');
	if (end == NULL) {
		return NULL;
	}
	*end = '\0';
	*rest = end + 1;
	return line;
}

static void test_sample_becomes_golden_events(const char *directory, const char *exchange) {
	char name[64];
	snprintf(name, sizeof name, "%s.ndjson", exchange);
	char *messages = read_file(directory, name);
	snprintf(name, sizeof name, "%s.golden.ndjson", exchange);
	char *golden = read_file(directory, name);

	char *rest = messages;
	size_t checked = 0;
	for (char *line = next_line(&rest); line != NULL; line = next_line(&rest)) {
		call(line, strlen(line));
		const char *got = host.failed ? host.failure : host.output;
		if (host.failed || strncmp(golden + checked, host.output, host.output_length) != 0) {
			report(exchange, line, strlen(line), got, golden + checked);
			drop_output();
			break;
		}
		checked += host.output_length;
		drop_output();
	}
	if (golden[checked] != '\0') {
		report("events are missing", "", 0, "", golden + checked);
	}
	free(messages);
	free(golden);
}

/* Every beginning of a message stands in memory of its own size, so that reading past it is noticed. */
static void test_no_beginning_of_a_message_is_understood(const char *directory, const char *exchange) {
	char name[64];
	snprintf(name, sizeof name, "%s.ndjson", exchange);
	char *messages = read_file(directory, name);
	char *rest = messages;
	for (char *line = next_line(&rest); line != NULL; line = next_line(&rest)) {
		for (size_t length = 0; length < strlen(line); length++) {
			char *beginning = malloc(length + 1);
			memcpy(beginning, line, length);
			call(beginning, length);
			if (!host.failed) {
				report("understood", beginning, length, host.output, "a failure");
			}
			drop_output();
			free(beginning);
		}
	}
	free(messages);
}

static void test_refusals_say_what_was_expected_and_where(const char *directory) {
	char *table = read_file(directory, "refusals.tsv");
	char *rest = table;
	next_line(&rest); /* the heading */
	for (char *row = next_line(&rest); row != NULL; row = next_line(&rest)) {
		char *tab = strchr(row, '\t');
		expect_failure(row, (size_t)(tab - row), tab + 1);
	}
	free(table);
}

static void test_refusals_of_what_a_table_cannot_hold(void) {
#define EXPECT_FAILURE(message, want) expect_failure(message, sizeof message - 1, want)
	EXPECT_FAILURE("{\"e\":\"a\nb\"}", "not JSON: unexpected byte at offset 7");
	EXPECT_FAILURE("{\"e\":\"a\0b\"}", "not JSON: unexpected byte at offset 7");
	EXPECT_FAILURE("{\"e\":1}\0", "not JSON: unexpected byte at offset 7");
	EXPECT_FAILURE("{\"e\":\"\xc3\x28\"}", "not JSON: not UTF-8 at offset 6");
	EXPECT_FAILURE("{\"e\":\"\xc0\xaf\"}", "not JSON: not UTF-8 at offset 6");
	EXPECT_FAILURE("{\"e\":\"\xed\xa0\x80\"}", "not JSON: not UTF-8 at offset 6");
	EXPECT_FAILURE("{\"e\":\"\xf4\x90\x80\x80\"}", "not JSON: not UTF-8 at offset 6");
	EXPECT_FAILURE("{\"e\":\"\xe2\x82", "not JSON: not UTF-8 at offset 6");
	EXPECT_FAILURE("\xef\xbb\xbf{}", "not a JSON object");

	char deep[1000];
	memset(deep, '[', sizeof deep);
	memcpy(deep, "{\"a\":", 5);
	expect_failure(deep, sizeof deep, "not JSON: nested deeper than 64 levels at offset 68");
	expect_failure(deep, 5 + 63, "not JSON: cut off at offset 68");
}

int main(int argc, char **argv) {
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	static const char *const exchanges[] = {"binance", "okx", "deribit"};
	for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
		test_sample_becomes_golden_events(argv[1], exchanges[i]);
		test_no_beginning_of_a_message_is_understood(argv[1], exchanges[i]);
	}
	test_refusals_say_what_was_expected_and_where(argv[1]);
	test_refusals_of_what_a_table_cannot_hold();
	if (failures > 0) {
		fprintf(stderr, "%d failures\n", failures);
		return 1;
	}
	puts("ok");
	return 0;
}
