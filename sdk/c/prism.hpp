/* prism.hpp: what a prismrt plugin written in C++ includes, C++20 on top of prism.h.
 *
 * A handler takes the input and returns the output:
 *
 *	#include "prism.hpp"
 *
 *	static prism::Result greet(std::string_view name) {
 *		if (name.empty()) {
 *			return prism::fail("whom shall I greet?");
 *		}
 *		return prism::config("greeting").value_or("Hello") + ", " + std::string(name) + "!\n";
 *	}
 *	PRISM_HANDLER(handle, greet)
 *
 * It is built as a reactor, a module that is initialised once and then called many times:
 *
 *	clang --target=wasm32-wasi -std=c++20 -O2 -fno-exceptions -mexec-model=reactor -I sdk/c -o greet.wasm greet.cpp \
 *		-lc++ -lc++abi
 *
 * Every call starts from the memory that the constructors of globals left behind, and nothing of a call
 * survives it. What they left and must not be the same in every call is made anew by PRISM_RESUME.
 */
#ifndef PRISM_HPP
#define PRISM_HPP

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "prism.h"

namespace prism {

/* A Failure is the message a call fails with. */
struct Failure {
	std::string message;
};

/* fail makes the call fail: the caller receives the message as a fault of kind guest, and no output. */
[[nodiscard]] inline Failure fail(std::string message) { return {std::move(message)}; }

/* A Result is what a handler returns: output, or a failure. */
class [[nodiscard]] Result {
public:
	/* Implicit, so that a handler returns text or fail(...). */
	Result(std::string output) : text(std::move(output)) {}
	Result(const char *output) : text(output) {}
	Result(Failure failure) : text(std::move(failure.message)), failed(true) {}

	/* success is a result without output: all there is was written. */
	static Result success() { return Result(std::string()); }

	[[nodiscard]] bool ok() const { return !failed; }

	/* output is the message where the result is a failure. */
	[[nodiscard]] const std::string &output() const { return text; }

private:
	std::string text;
	bool failed = false;
};

/* write adds to the output before a handler returns, which adds the rest; of a failure all is dropped. */
inline void write(std::string_view output) { prism_write(output.data(), output.size()); }

/* An Input is the input of the call, or nothing where the host refused or there is no memory for it. */
class Input {
public:
	Input() : bytes(prism_input(&length)) {}

	explicit operator bool() const { return bytes != nullptr; }

	/* The text lives as long as the Input. */
	[[nodiscard]] std::string_view text() const { return {bytes.get(), length}; }

private:
	struct Free {
		void operator()(char *at) const { std::free(at); }
	};
	std::size_t length = 0; /* before bytes, whose initialiser sets it */
	std::unique_ptr<char, Free> bytes;
};

/* A Handler turns the input of one call into its result. The input lives until it returns. */
template <typename F>
concept Handler = std::is_invocable_r_v<Result, F, std::string_view>;

/* run runs a handler on the input of the call in progress, and returns what an export must return. */
template <Handler F>
int32_t run(F &&handler) {
	Input in;
	if (!in) {
		return prism_fail("the input could not be read");
	}
	const Result result = std::forward<F>(handler)(in.text());
	if (!result.ok()) {
		prism_host_fail(result.output().data(), static_cast<uint32_t>(result.output().size()));
		return 1;
	}
	write(result.output());
	return 0;
}

/* A Fallible is a value, or the failure that there is in its place. */
template <typename T>
class [[nodiscard]] Fallible {
public:
	/* Implicit, so that a function returns a value or fail(...). */
	Fallible(T given) : content(std::in_place_index<0>, std::move(given)) {}
	Fallible(Failure failure) : content(std::in_place_index<1>, std::move(failure)) {}

	[[nodiscard]] bool ok() const { return content.index() == 0; }

	/* value is there where ok is true. */
	[[nodiscard]] T &value() { return *std::get_if<0>(&content); }
	[[nodiscard]] const T &value() const { return *std::get_if<0>(&content); }

	/* failure is there where ok is false. */
	[[nodiscard]] const Failure &failure() const { return *std::get_if<1>(&content); }

private:
	std::variant<T, Failure> content;
};

/* A Codec turns text into values and values into text, with the library of your choice:
 *
 *	struct Codec {
 *		template <typename T> static prism::Fallible<T> read(std::string_view text);
 *		template <typename T> static std::string write(const T &value);
 *	};
 */
template <typename C, typename In, typename Out>
concept Codec = requires(std::string_view text, const Out &value) {
	{ C::template read<In>(text) } -> std::same_as<Fallible<In>>;
	{ C::template write<Out>(value) } -> std::convertible_to<std::string>;
};

template <typename T>
struct value_of {
	using type = T;
};
template <typename T>
struct value_of<Fallible<T>> {
	using type = T;
};

/* typed makes a handler of a function on values, Out f(In) or Fallible<Out> f(In), where In may be a reference
 * to const:
 *
 *	static prism::Fallible<Quote> quote(const Order &order);
 *	PRISM_HANDLER(handle, prism::typed<Codec>(quote))
 *
 * What the codec cannot read fails the call before the function runs. */
template <typename C, typename Returned, typename In>
	requires Codec<C, std::remove_cvref_t<In>, typename value_of<Returned>::type>
auto typed(Returned (*function)(In)) {
	return [function](std::string_view text) -> Result {
		Fallible<std::remove_cvref_t<In>> in = C::template read<std::remove_cvref_t<In>>(text);
		if (!in.ok()) {
			return fail("the input: " + in.failure().message);
		}
		const Fallible<typename value_of<Returned>::type> out = function(std::move(in.value()));
		if (!out.ok()) {
			return out.failure();
		}
		return C::write(out.value());
	};
}

/* PRISM_HANDLER(handle, greet) exports a handler as the C function handle, by whose name it is called: "handle" is the
 * one that runs when a call names no function. It stands outside of functions. */
#define PRISM_HANDLER(name, ...)                    \
	PRISM_EXPORT(#name) int32_t name(void);     \
	int32_t name(void) { return prism::run(__VA_ARGS__); }

/* A Level says how much a line of the log matters. */
enum class Level : int32_t {
	debug = PRISM_DEBUG,
	info = PRISM_INFO,
	warn = PRISM_WARN,
	error = PRISM_ERROR
};

/* log writes one line to the plugin's log; it needs no newline. */
inline void log(Level level, std::string_view message) {
	prism_host_log(static_cast<int32_t>(level), message.data(), static_cast<uint32_t>(message.size()));
}

/* progress tells who watches the task how far the call is: done of total, in any unit, where a total of 0 is
 * not known, and a word on what it does. Only the latest counts. */
inline void progress(int64_t done, int64_t total, std::string_view message = {}) {
	prism_host_progress(done, total, message.data(), static_cast<uint32_t>(message.size()));
}

/* look_up is config of what get copies. */
inline std::optional<std::string> look_up(decltype(prism_host_config_get) get, std::string_view key) {
	const auto length = static_cast<uint32_t>(key.size());
	std::string value(128, '\0');
	int32_t size = get(key.data(), length, value.data(), static_cast<uint32_t>(value.size()));
	if (size < 0) {
		return std::nullopt;
	}
	const bool whole = static_cast<std::size_t>(size) <= value.size();
	value.resize(static_cast<std::size_t>(size));
	if (!whole) {
		get(key.data(), length, value.data(), static_cast<uint32_t>(size));
	}
	return value;
}

/* config returns the value the operator granted under key in the plugin's manifest ([grants] config), or
 * nothing when the key is not set. */
inline std::optional<std::string> config(std::string_view key) { return look_up(prism_host_config_get, key); }

/* What is known of the call in progress. */
inline std::string about(std::string_view key) { return look_up(prism_host_call_get, key).value_or(std::string()); }

/* request_id is a ULID: the caller has it as Prism-Request-Id, and the server's log tells it. */
inline std::string request_id() { return about("request_id"); }

/* function is the handler that was called, the default one if the call named none. */
inline std::string function() { return about("function"); }

/* plugin is the name the plugin was pushed under. */
inline std::string plugin() { return about("plugin"); }

/* version is the number of the version that runs, from 1 on, 0 where there is none: in a test. */
inline int version() {
	const std::string text = about("version");
	int number = 0;
	std::from_chars(text.data(), text.data() + text.size(), number);
	return number;
}

/* deadline is when the server will stop the call, to the millisecond, which it does without warning; nothing
 * when there is none. */
inline std::optional<std::chrono::sys_time<std::chrono::milliseconds>> deadline() {
	const std::string text = about("deadline"); /* 2026-03-01T12:00:00.000Z */
	if (text.size() != 24) {
		return std::nullopt;
	}
	const auto number = [&text](std::size_t at, std::size_t digits) {
		int n = 0;
		std::from_chars(text.data() + at, text.data() + at + digits, n);
		return n;
	};
	using namespace std::chrono;
	const year_month_day date(year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))), day(static_cast<unsigned>(number(8, 2))));
	return sys_days(date) + hours(number(11, 2)) + minutes(number(14, 2)) + seconds(number(17, 2)) + milliseconds(number(20, 3));
}

/* Random is a source of random bits for <random>: of the server in a call, and the same for all calls in a
 * constructor. Each number is a call of the host; where many are wanted, seed an engine with one:
 *
 *	static std::mt19937 dice;
 *	PRISM_RESUME void resume() { dice.seed(prism::Random()()); }
 */
struct Random {
	using result_type = uint32_t;
	static constexpr result_type min() { return 0; }
	static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
	result_type operator()() const {
		result_type drawn;
		prism_random(&drawn, sizeof drawn);
		return drawn;
	}
};

} // namespace prism

#endif
