#include "quote.cpp"

#include "prism_test.h"

static int failures;

static void gives(const char *input, bool failed, const char *want) {
	const prism_outcome got = prism_test_call(handle, input, std::strlen(input));
	if ((got.failed != 0) != failed || std::strcmp(failed ? got.failure : got.output, want) != 0) {
		std::fprintf(stderr, "quote_test: %s: %s%s, want %s\n", input, got.output, got.failure, want);
		failures++;
	}
}

int main() {
	gives(R"({"lines":[{"name":"tea","price_cents":350,"count":2}],"voucher":"TENTH"})", false, R"({"pieces":2,"total_cents":630})");
	gives(R"({"lines":[]})", false, R"({"pieces":0,"total_cents":0})");
	gives(R"({"lines":[{"name":"tea","price_cents":9223372036854775807,"count":2}]})", true, "nobody sells tea like that");
	gives(R"({"voucher":"X"})", true, "there is no voucher X");
	gives("[", true, "the input: it is not JSON");
	if (failures > 0) {
		return 1;
	}
	std::puts("ok");
	return 0;
}
