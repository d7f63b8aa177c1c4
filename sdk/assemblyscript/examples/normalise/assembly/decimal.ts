// Numbers as text, exact to the digit.
import { NumberText } from "./json";
import { isDigit } from "./text";

/** How many zeros an exponent may stand for. No f64, which is what exchanges write with exponents, needs more. */
const maxExponent = 400;

/** Reports whether text is an integer of 64 bits, as JSON writes one. The smallest of them is left out, for the sake of a
 * short comparison. */
export function isInteger(text: string): bool {
  const largest = "9223372036854775807";
  const digits = text.startsWith("-") ? text.substring(1) : text;
  for (let i = 0; i < digits.length; i++) {
    if (!isDigit(digits.charCodeAt(i))) return false;
  }
  if (digits.length == 0 || digits.length > largest.length) return false;
  if (digits.charCodeAt(0) == 0x30) return text == "0";
  return digits.length < largest.length || digits <= largest;
}

/** Returns the same number without an exponent: 1e-06 is 0.000001. A number that has none is returned as it is, to the
 * last zero. It returns "" for anything that JSON would not take for a number, and for an exponent beyond maxExponent. */
export function plainDecimal(text: string): string {
  const number = new NumberText(text, 0);
  if (!number.whole || number.end < text.length) return "";
  if (number.mantissa == text.length) return text;

  const exponent = parseExponent(text.substring(number.mantissa + 1));
  if (exponent > maxExponent) return "";
  const negative = text.charCodeAt(0) == 0x2d;
  const unsigned = text.substring(negative ? 1 : 0, number.mantissa);
  const dot = unsigned.indexOf(".");
  let whole = dot < 0 ? unsigned : unsigned.substring(0, dot);
  let fraction = dot < 0 ? "" : unsigned.substring(dot + 1);
  const digits = whole + fraction;
  const point = whole.length + exponent; // where the point stands in digits

  if (point <= 0) {
    whole = "";
    fraction = "0".repeat(-point) + digits;
  } else if (point >= digits.length) {
    whole = digits + "0".repeat(point - digits.length);
    fraction = "";
  } else {
    whole = digits.substring(0, point);
    fraction = digits.substring(point);
  }
  let zeros = 0;
  while (zeros < whole.length && whole.charCodeAt(zeros) == 0x30) zeros++;
  whole = zeros == whole.length ? "0" : whole.substring(zeros);
  return (negative ? "-" : "") + whole + (fraction == "" ? "" : "." + fraction);
}

/** Reads what follows the e. It returns more than maxExponent for what is beyond that, either way. */
function parseExponent(text: string): i32 {
  const first = text.charCodeAt(0);
  let exponent = 0;
  for (let i = first == 0x2b || first == 0x2d ? 1 : 0; i < text.length; i++) {
    exponent = exponent * 10 + (text.charCodeAt(i) - 0x30);
    if (exponent > maxExponent) return exponent;
  }
  return first == 0x2d ? -exponent : exponent;
}

/** Reports whether a decimal is zero: 0.00 is. */
export function isZero(decimal: string): bool {
  for (let i = 0; i < decimal.length; i++) {
    const c = decimal.charCodeAt(i);
    if (c != 0x2d && c != 0x30 && c != 0x2e) return false;
  }
  return true;
}
