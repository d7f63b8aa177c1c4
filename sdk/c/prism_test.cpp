/* Runs the C++ header natively against a host of its own. */
#include "prism.hpp"

#include <iostream>
#include <map>
#include <random>
#include <vector>

static int failures;

static void expect(bool holds, const char *what) {
	if (!holds) {
		failures++;
		std::cerr << what << '\n';
	}
}

/* The host of the call in progress. */
static struct {
	std::string input, output;
	std::optional<std::string> failure;
	std::map<std::string, std::string> config, about;
	std::vector<std::string> told;
	bool refuses = false;
} host;

int32_t prism_host_input_len() { return host.refuses ? -1 : static_cast<int32_t>(host.input.size()); }

int32_t prism_host_input_read(void *to, uint32_t offset, uint32_t length) {
	/* As little as it likes: seven bytes at most. */
	return static_cast<int32_t>(host.input.copy(static_cast<char *>(to), std::min(length, 7u), offset));
}

void prism_host_output_write(const void *from, uint32_t length) {
	host.output.append(static_cast<const char *>(from), length);
}

void prism_host_fail(const char *message, uint32_t length) { host.failure = std::string(message, length); }

void prism_host_log(int32_t level, const char *message, uint32_t length) {
	host.told.push_back(std::to_string(level) + " " + std::string(message, length));
}

void prism_host_progress(int64_t done, int64_t total, const char *message, uint32_t length) {
	host.told.push_back(std::to_string(done) + "/" + std::to_string(total) + " " + std::string(message, length));
}

static int32_t answer(const std::map<std::string, std::string> &values, std::string key, void *to, uint32_t capacity) {
	const auto found = values.find(key);
	if (found == values.end()) {
		return -1;
	}
	found->second.copy(static_cast<char *>(to), capacity);
	return static_cast<int32_t>(found->second.size());
}

int32_t prism_host_config_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return answer(host.config, {key, key_length}, to, capacity);
}

int32_t prism_host_call_get(const char *key, uint32_t key_length, void *to, uint32_t capacity) {
	return answer(host.about, {key, key_length}, to, capacity);
}

int32_t prism_host_random(void *to, uint32_t length) {
	memset(to, 7, length);
	return 0;
}

static prism::Result greet(std::string_view name) {
	if (name.empty()) {
		return prism::fail("whom shall I greet?");
	}
	prism::write("> ");
	return prism::config("greeting").value_or("Hello") + ", " + std::string(name) + "!";
}
PRISM_HANDLER(handle, greet)
PRISM_HANDLER(nothing, [](std::string_view) { return prism::Result::success(); })

/* A codec of numbers in decimal. */
struct Decimal {
	template <typename T>
	static prism::Fallible<T> read(std::string_view text) {
		T number{};
		const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
		if (error != std::errc() || end != text.data() + text.size()) {
			return prism::fail("it is no number");
		}
		return number;
	}
	template <typename T>
	static std::string write(const T &number) {
		return std::to_string(number);
	}
};
static prism::Fallible<int> half(int64_t n) {
	if (n % 2 != 0) {
		return prism::fail("it is odd");
	}
	return static_cast<int>(n / 2);
}
static long twice(const long &n) { return 2 * n; }
PRISM_HANDLER(halved, prism::typed<Decimal>(half))
PRISM_HANDLER(doubled, prism::typed<Decimal>(twice))
PRISM_HANDLER(constant, [](std::string_view) { return "constant"; })

static int32_t call(int32_t (*handler)(), std::string input) {
	host.input = std::move(input);
	host.output.clear();
	host.failure.reset();
	return handler();
}

static void test_handlers() {
	const std::string name = "somebody whose name is long \0 and not text";
	expect(call(handle, name) == 0 && host.output == "> Hello, " + name + "!" && !host.failure, "a handler's output");
	host.config["greeting"] = std::string(1000, 'o');
	expect(call(handle, "Ada") == 0 && host.output == "> " + std::string(1000, 'o') + ", Ada!", "a long config value");
	expect(call(handle, "") == 1 && host.failure == "whom shall I greet?", "a handler's failure");
	host.refuses = true;
	expect(call(handle, "Ada") == 1 && host.failure == "the input could not be read", "an input that is refused");
	host.refuses = false;
	expect(call(nothing, "Ada") == 0 && host.output.empty(), "no output");
	expect(call(constant, "Ada") == 0 && host.output == "constant", "a constant");
}

static void test_typed_handlers() {
	expect(call(halved, "42") == 0 && host.output == "21", "a value");
	expect(call(halved, "7") == 1 && host.failure == "it is odd" && host.output.empty(), "a function's failure");
	expect(call(halved, "7x") == 1 && host.failure == "the input: it is no number", "an input that cannot be read");
	expect(call(doubled, "-21") == 0 && host.output == "-42", "a reference, and no failure");
}

static void test_what_is_told() {
	host.told.clear();
	prism::log(prism::Level::debug, "a");
	prism::log(prism::Level::info, "b");
	prism::log(prism::Level::warn, std::string_view("cd", 1));
	prism::log(prism::Level::error, "");
	prism::progress(5'000'000'000, 0);
	prism::progress(1, 2, "half");
	const std::vector<std::string> want = {"0 a", "1 b", "2 c", "3 ", "5000000000/0 ", "1/2 half"};
	expect(host.told == want, "the log and progress");
}

static void test_the_call() {
	expect(prism::request_id().empty() && prism::version() == 0 && !prism::deadline(), "nothing is known of no call");
	host.about = {{"request_id", "01JX"}, {"function", "handle"}, {"plugin", "greet"}, {"version", "17"}, {"deadline", "2026-03-01T12:34:56.789Z"}};
	expect(prism::request_id() == "01JX" && prism::function() == "handle" && prism::plugin() == "greet" && prism::version() == 17, "the call");
	const auto deadline = prism::deadline();
	expect(deadline && deadline->time_since_epoch().count() == 1772368496789, "the deadline");
	expect(!prism::config("absent"), "a key that is not set");
	host.config["empty"] = "";
	expect(prism::config("empty") == "", "a key that is set to nothing");
}

static void test_random() {
	prism::Random random;
	expect(random() == 0x07070707u, "what the host draws");
	expect(std::uniform_int_distribution<int>(1, 6)(random) > 0, "a distribution");
}

int main() {
	test_handlers();
	test_typed_handlers();
	test_what_is_told();
	test_the_call();
	test_random();
	if (failures > 0) {
		return 1;
	}
	std::puts("ok");
	return 0;
}
