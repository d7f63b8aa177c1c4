const std = @import("std");
const Number = @import("json.zig").Number;

/// The most zeros an exponent may stand for. No 64-bit float, which is what exchanges write with exponents, needs
/// more.
const max_exponent = 400;

/// Whether text is an integer of 64 bits, as JSON writes one. The smallest of them is left out, for the sake of a
/// short comparison.
pub fn isInteger(text: []const u8) bool {
    const largest = "9223372036854775807";
    const digits = std.mem.cutPrefix(u8, text, "-") orelse text;
    if (digits.len == 0 or digits.len > largest.len) return false;
    for (digits) |c| {
        if (!std.ascii.isDigit(c)) return false;
    }
    if (digits[0] == '0') return text.len == 1;
    return digits.len < largest.len or std.mem.order(u8, digits, largest) != .gt;
}

/// The same number without an exponent: 1e-06 is 0.000001. A number that has none is returned as it is, to the last
/// zero. It is null for anything that JSON would not take for a number, and for an exponent beyond max_exponent.
pub fn plainDecimal(allocator: std.mem.Allocator, text: []const u8) error{OutOfMemory}!?[]const u8 {
    const number = Number.prefix(text);
    if (!number.whole or number.length < text.len) return null;
    if (number.mantissa == text.len) return text;
    const exponent = parseExponent(text[number.mantissa + 1 ..]) orelse return null;
    const mantissa = text[0..number.mantissa];
    const unsigned = std.mem.cutPrefix(u8, mantissa, "-") orelse mantissa;
    const whole, const fraction = std.mem.cutScalar(u8, unsigned, '.') orelse .{ unsigned, "" };

    // Where the point comes to stand in the digits, with as many zeros as it takes to get there.
    const point = @as(i64, @intCast(whole.len)) + exponent;
    var digits: std.ArrayList(u8) = .empty;
    if (point < 0) try digits.appendNTimes(allocator, '0', @intCast(-point));
    try digits.appendSlice(allocator, whole);
    try digits.appendSlice(allocator, fraction);
    const at: usize = @intCast(@max(0, point));
    if (digits.items.len < at) try digits.appendNTimes(allocator, '0', at - digits.items.len);

    var plain: std.ArrayList(u8) = .empty;
    if (text[0] == '-') try plain.append(allocator, '-');
    const before = std.mem.trimStart(u8, digits.items[0..at], "0");
    try plain.appendSlice(allocator, if (before.len == 0) "0" else before);
    if (digits.items.len > at) {
        try plain.append(allocator, '.');
        try plain.appendSlice(allocator, digits.items[at..]);
    }
    return plain.items;
}

/// Reads what follows the e. It is null beyond max_exponent.
fn parseExponent(text: []const u8) ?i64 {
    var exponent: i64 = 0;
    for (std.mem.trimStart(u8, text, "+-")) |c| {
        exponent = exponent * 10 + (c - '0');
        if (exponent > max_exponent) return null;
    }
    return if (text[0] == '-') -exponent else exponent;
}

/// Whether a decimal is zero: 0.00 is.
pub fn isZero(decimal: []const u8) bool {
    return std.mem.trimStart(u8, decimal, "-0.").len == 0;
}
