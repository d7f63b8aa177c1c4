use std::borrow::Cow;

use crate::json::Number;

/// The most zeros an exponent may stand for. No 64-bit float, which is what exchanges write with
/// exponents, needs more.
const MAX_EXPONENT: i32 = 400;

/// Whether text is an integer of 64 bits, as JSON writes one. The smallest of them is left out, for the sake of
/// a short comparison.
pub fn is_integer(text: &str) -> bool {
    const LARGEST: &str = "9223372036854775807";
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || digits.len() > LARGEST.len() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return false;
    }
    if digits.starts_with('0') {
        return text == "0";
    }
    digits.len() < LARGEST.len() || digits <= LARGEST
}

/// The same number without an exponent: 1e-06 is 0.000001. A number that has none is returned as it is, to the
/// last zero. It is `None` for anything that JSON would not take for a number, and for an exponent beyond
/// [`MAX_EXPONENT`].
pub fn plain_decimal(text: &str) -> Option<Cow<'_, str>> {
    let number = Number::prefix(text.as_bytes());
    if !number.whole || number.length < text.len() {
        return None;
    }
    if number.mantissa == text.len() {
        return Some(Cow::Borrowed(text));
    }
    let exponent = parse_exponent(&text[number.mantissa + 1..])?;
    let mantissa = &text[..number.mantissa];
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));

    // Where the point comes to stand in the digits, with as many zeros as it takes to get there.
    let point = whole.len() as i32 + exponent;
    let mut digits = "0".repeat(usize::try_from(-point).unwrap_or(0));
    digits += whole;
    digits += fraction;
    let point = usize::try_from(point).unwrap_or(0);
    if digits.len() < point {
        digits += &"0".repeat(point - digits.len());
    }
    let (whole, fraction) = digits.split_at(point);
    let whole = whole.trim_start_matches('0');

    let mut plain = String::with_capacity(digits.len() + 3);
    if text.starts_with('-') {
        plain.push('-');
    }
    plain += if whole.is_empty() { "0" } else { whole };
    if !fraction.is_empty() {
        plain.push('.');
        plain += fraction;
    }
    Some(Cow::Owned(plain))
}

/// Reads what follows the e. It is `None` beyond [`MAX_EXPONENT`].
fn parse_exponent(text: &str) -> Option<i32> {
    let size = text.trim_start_matches(&['+', '-'][..]).bytes().try_fold(0, |sum, digit| {
        let sum = sum * 10 + i32::from(digit - b'0');
        (sum <= MAX_EXPONENT).then(|| sum)
    })?;
    Some(if text.starts_with('-') { -size } else { size })
}

/// Whether a decimal is zero: 0.00 is.
pub fn is_zero(decimal: &str) -> bool {
    decimal.bytes().all(|c| matches!(c, b'-' | b'0' | b'.'))
}
