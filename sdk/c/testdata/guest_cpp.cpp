/* Guest tells what it draws at random, and what it knows of the call. The server's tests build it. */
#include <random>

#include "prism.hpp"

namespace guest {

/* What the constructors leave in the image. */
static const uint32_t at_start = prism::Random()();
static std::mt19937 dice(at_start);
static std::string hooks;

/* Answers a line for each source: its name and what it gave. */
static prism::Result draw(std::string_view) {
	return "prism::Random " + std::to_string(prism::Random()()) + "\nmt19937 " + std::to_string(dice()) +
	       "\nstarted:prism::Random " + std::to_string(at_start) + "\nstarted:hooks " + hooks + "\n";
}

static prism::Result about(std::string_view) {
	const auto deadline = prism::deadline();
	return prism::request_id() + " " + prism::function() + " " + prism::plugin() + " " + std::to_string(prism::version()) + " " +
	       (deadline ? std::to_string(deadline->time_since_epoch().count()) : "none");
}

/* Tells twice how far it is. */
static prism::Result advance(std::string_view input) {
	prism::progress(1, 2, input);
	prism::log(prism::Level::warn, input);
	prism::progress(5'000'000'000, 0);
	return prism::Result::success();
}

static prism::Result configured(std::string_view key) {
	const auto value = prism::config(key);
	return value ? prism::Result(*value) : prism::fail("it is not set");
}

/* Copies its input to its output, in parts. */
static prism::Result stream(std::string_view input) {
	for (; input.size() > 1000; input.remove_prefix(1000)) {
		prism::write(input.substr(0, 1000));
	}
	return std::string(input);
}

static prism::Result refuse(std::string_view) { return prism::fail("as it was told"); }

static prism::Result panic(std::string_view) {
	prism::log(prism::Level::error, "it panicked as it was told");
	std::abort();
}

} // namespace guest

PRISM_RESUME void resume() {
	guest::dice.seed(prism::Random()());
	guest::hooks = "resumed";
}

PRISM_HANDLER(handle, guest::draw)
PRISM_HANDLER(about, guest::about)
PRISM_HANDLER(advance, guest::advance)
PRISM_HANDLER(configured, guest::configured)
PRISM_HANDLER(stream, guest::stream)
PRISM_HANDLER(refuse, guest::refuse)
PRISM_HANDLER(panic, guest::panic)
