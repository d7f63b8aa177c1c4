/* codec.hpp: JSON for typed handlers, by nlohmann/json (Debian: nlohmann-json3-dev). */
#ifndef QUOTE_CODEC_HPP
#define QUOTE_CODEC_HPP

#include "prism.hpp"

/* Plugins are built without exceptions. What the library would throw, such as that a field is missing or of another
 * type, becomes the failure of the call, which ends at once: nothing of it is left to clean up. */
#define JSON_THROW_USER(exception) Json::fails((exception).what())
struct Json {
	[[noreturn]] static void fails(const char *message) {
		prism_fail(message);
		std::_Exit(1);
	}
	template <typename T>
	static prism::Fallible<T> read(std::string_view text);
	template <typename T>
	static std::string write(const T &value);
};

#define JSON_TRY_USER if (true)
#define JSON_CATCH_USER(exception) if (false)
#define JSON_INTERNAL_CATCH_USER(exception) if (false)
#define JSON_HAS_FILESYSTEM 0 /* there are no files */
#define JSON_HAS_EXPERIMENTAL_FILESYSTEM 0
#define JSON_DIAGNOSTICS 1 /* it tells where in the input */
#include <nlohmann/json.hpp>

template <typename T>
prism::Fallible<T> Json::read(std::string_view text) {
	const auto document = nlohmann::json::parse(text, nullptr, false);
	if (document.is_discarded()) {
		return prism::fail("it is not JSON");
	}
	return document.get<T>();
}

template <typename T>
std::string Json::write(const T &value) {
	/* Text that is not UTF-8 cannot be in JSON: what of it is not, is replaced. */
	return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

#endif
