#include "decimal.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "json.hpp"

namespace {

constexpr int max_exponent = 400;

/* parse_exponent reads what follows the e, and returns nothing when it is beyond max_exponent. */
std::optional<int> parse_exponent(std::string_view text) {
	if (text.front() == '+') {
		text.remove_prefix(1);
	}
	int exponent = 0;
	const auto read = std::from_chars(text.data(), text.data() + text.size(), exponent);
	if (read.ec != std::errc() || exponent > max_exponent || exponent < -max_exponent) {
		return std::nullopt;
	}
	return exponent;
}

} // namespace

bool is_integer(std::string_view text) {
	constexpr std::string_view largest = "9223372036854775807";
	std::string_view digits = text;
	if (digits.starts_with('-')) {
		digits.remove_prefix(1);
	}
	if (digits.empty() || digits.size() > largest.size() || !std::all_of(digits.begin(), digits.end(), is_digit)) {
		return false;
	}
	if (digits.front() == '0') {
		return text == "0";
	}
	return digits.size() < largest.size() || digits <= largest;
}

std::string plain_decimal(std::string_view text) {
	const NumberText number = read_number(text);
	if (!number.whole || number.length < text.size()) {
		return {};
	}
	if (number.mantissa == text.size()) {
		return std::string(text);
	}
	const auto exponent = parse_exponent(text.substr(number.mantissa + 1));
	if (!exponent) {
		return {};
	}
	const bool negative = text.front() == '-';
	const std::string_view mantissa = text.substr(negative, number.mantissa - negative);
	const std::size_t dot = std::min(mantissa.find('.'), mantissa.size());
	std::string digits(mantissa.substr(0, dot));
	digits += mantissa.substr(std::min(dot + 1, mantissa.size()));

	/* Where the point stands in digits, which are filled up with zeros to reach it. */
	int point = static_cast<int>(dot) + *exponent;
	if (point < 0) {
		digits.insert(0, static_cast<std::size_t>(-point), '0');
		point = 0;
	}
	const auto whole_digits = static_cast<std::size_t>(point);
	if (digits.size() < whole_digits) {
		digits.append(whole_digits - digits.size(), '0');
	}
	const std::string fraction = digits.substr(whole_digits);
	digits.resize(whole_digits);
	digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));

	std::string plain = negative ? "-" : "";
	plain += digits.empty() ? "0" : digits;
	return fraction.empty() ? plain : plain + "." + fraction;
}

bool is_zero(std::string_view decimal) { return decimal.find_first_not_of("-0.") == std::string_view::npos; }
