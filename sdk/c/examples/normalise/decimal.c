#include "decimal.h"

#include <string.h>

enum { max_exponent = 400 };

bool is_integer(struct text text) {
	static const char largest[] = "9223372036854775807";
	size_t most = sizeof largest - 1;
	struct text digits = text;
	if (digits.length > 0 && digits.at[0] == '-') {
		digits.at++;
		digits.length--;
	}
	for (size_t i = 0; i < digits.length; i++) {
		if (!is_digit(digits.at[i])) {
			return false;
		}
	}
	if (digits.length == 0 || digits.length > most) {
		return false;
	}
	if (digits.at[0] == '0') {
		return text.length == 1;
	}
	return digits.length < most || memcmp(digits.at, largest, most) <= 0;
}

/* parse_exponent reads what follows the e, and reports false when it is beyond max_exponent. */
static bool parse_exponent(const char *at, const char *end, int *exponent) {
	bool negative = *at == '-';
	if (*at == '-' || *at == '+') {
		at++;
	}
	int value = 0;
	for (; at < end; at++) {
		value = value * 10 + (*at - '0');
		if (value > max_exponent) {
			return false;
		}
	}
	*exponent = negative ? -value : value;
	return true;
}

/* digits are what is left to read of a number, its point among them. */
struct digits {
	const char *at, *end;
};

/* next_digit steps over the point, and gives zeros without end after the last digit. */
static char next_digit(struct digits *digits) {
	if (digits->at < digits->end && *digits->at == '.') {
		digits->at++;
	}
	return digits->at < digits->end ? *digits->at++ : '0';
}

struct text plain_decimal(struct message *m, struct text text) {
	static const struct text none = {NULL, 0};
	size_t mantissa;
	if (!json_number(text, &mantissa)) {
		return none;
	}
	if (mantissa == text.length) {
		return text;
	}
	const char *e = text.at + mantissa;
	int exponent;
	if (!parse_exponent(e + 1, text.at + text.length, &exponent)) {
		return none;
	}

	const char *from = text.at + (text.at[0] == '-');
	const char *point = memchr(from, '.', (size_t)(e - from));
	long count = point == NULL ? e - from : e - from - 1; /* of digits */
	long whole = (point == NULL ? e : point) - from + exponent; /* of them before the point */
	long fraction = count > whole ? count - whole : 0;

	/* A sign, the whole part or 0, the point and the fraction. */
	char *plain = message_alloc(m, (size_t)(3 + (whole > 0 ? whole : 0) + fraction));
	if (plain == NULL) {
		return none;
	}
	char *to = plain;
	if (text.at[0] == '-') {
		*to++ = '-';
	}
	struct digits digits = {from, e};
	const char *start = to;
	for (long i = 0; i < whole; i++) {
		char digit = next_digit(&digits);
		if (to > start || digit != '0') { /* no zeros in front */
			*to++ = digit;
		}
	}
	if (to == start) {
		*to++ = '0';
	}
	if (fraction > 0) {
		*to++ = '.';
	}
	for (long i = 0; i < fraction; i++) {
		*to++ = i < -whole ? '0' : next_digit(&digits);
	}
	return (struct text){plain, (size_t)(to - plain)};
}

bool is_zero(struct text decimal) {
	for (size_t i = 0; i < decimal.length; i++) {
		if (is_digit(decimal.at[i]) && decimal.at[i] != '0') {
			return false;
		}
	}
	return true;
}
