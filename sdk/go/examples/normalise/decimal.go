package main

import "strings"

// maxExponent bounds the zeros an exponent may stand for. No float64, which is what exchanges write
// with exponents, needs more.
const maxExponent = 400

// isInteger reports whether text is an integer of 64 bits, as JSON writes one. The smallest of them is
// left out, for the sake of a short comparison.
func isInteger(text string) bool {
	const largest = "9223372036854775807"
	digits := strings.TrimPrefix(text, "-")
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
	}
	switch {
	case digits == "", len(digits) > len(largest):
		return false
	case digits[0] == '0':
		return text == "0"
	}
	return len(digits) < len(largest) || digits <= largest
}

// plainDecimal returns the same number without an exponent: 1e-06 is 0.000001. A number that has none
// is returned as it is, to the last zero. It returns "" for anything that JSON would not take for a
// number, and for an exponent beyond maxExponent.
func plainDecimal(text string) string {
	mantissa, n, ok := number(text)
	if !ok || n < len(text) {
		return ""
	}
	if mantissa == len(text) {
		return text
	}
	exponent, ok := parseExponent(text[mantissa+1:])
	if !ok {
		return ""
	}
	unsigned := strings.TrimPrefix(text[:mantissa], "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	digits := whole + fraction
	point := len(whole) + exponent // where the point stands in digits

	switch {
	case point <= 0:
		whole, fraction = "", strings.Repeat("0", -point)+digits
	case point >= len(digits):
		whole, fraction = digits+strings.Repeat("0", point-len(digits)), ""
	default:
		whole, fraction = digits[:point], digits[point:]
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	plain := whole
	if fraction != "" {
		plain += "." + fraction
	}
	if text[0] == '-' {
		plain = "-" + plain
	}
	return plain
}

// parseExponent reads what follows the e, and reports false when it is beyond maxExponent.
func parseExponent(text string) (exponent int, ok bool) {
	for _, c := range []byte(strings.TrimLeft(text, "+-")) {
		if exponent = exponent*10 + int(c-'0'); exponent > maxExponent {
			return 0, false
		}
	}
	if text[0] == '-' {
		exponent = -exponent
	}
	return exponent, true
}

// isZero reports whether a decimal is zero: 0.00 is.
func isZero(decimal string) bool { return strings.Trim(decimal, "-0.") == "" }
