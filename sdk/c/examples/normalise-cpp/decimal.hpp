/* Numbers as text, exact to the digit. */
#pragma once

#include <string>
#include <string_view>

/* is_integer reports whether text is an integer of 64 bits, as JSON writes one. The smallest of them is left
 * out, for the sake of a short comparison. */
bool is_integer(std::string_view text);

/* plain_decimal returns the same number without an exponent: 1e-06 is 0.000001. A number that has none is
 * returned as it is, to the last zero. It returns nothing for what JSON would not take for a number, and for
 * an exponent beyond 400 either way: no double, which is what exchanges write with exponents, needs more. */
std::string plain_decimal(std::string_view text);

/* is_zero reports whether a decimal is zero: 0.00 is. */
bool is_zero(std::string_view decimal);
