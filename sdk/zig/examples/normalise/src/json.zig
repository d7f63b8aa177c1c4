//! Reads JSON (RFC 8259, in UTF-8) into tokens, without copying.

const std = @import("std");
const prism = @import("prism");
const Allocator = std.mem.Allocator;

/// How deeply objects and arrays may nest.
const max_depth = 64;

/// A value or a key of a document. The tokens of a document stand in the order of its text, a container before
/// its contents: for an object a key and a value for each member, for an array a value for each element.
const Token = struct {
    /// The token's text, with its quotes or brackets.
    start: u32,
    end: u32 = 0,
    /// The token after this one and its contents.
    next: u32 = 0,
};

/// A JSON object, checked.
pub const Document = struct {
    source: []const u8,
    tokens: []const Token,
    /// Some string has an escape.
    escapes: bool,

    /// The text of a token.
    pub fn text(document: *const Document, token: usize) []const u8 {
        const t = document.tokens[token];
        return document.source[t.start..t.end];
    }

    /// The token after a token and its contents.
    pub fn after(document: *const Document, token: usize) usize {
        return document.tokens[token].next;
    }
};

/// Checks that text is a JSON object. Otherwise it fails with what is wrong and at which byte, counted from 0.
pub fn scan(allocator: Allocator, text: []const u8) !Document {
    var s: Scanner = .{ .allocator = allocator, .text = text };
    try s.tokens.ensureTotalCapacity(allocator, text.len / 8 + 16);
    s.space();
    if (s.peek() != '{') return prism.fail("not a JSON object", .{});
    if (s.document()) {
        s.space();
        if (s.at == text.len) return .{ .source = text, .tokens = s.tokens.items, .escapes = s.escapes };
    } else |err| if (err == error.OutOfMemory) return err;
    const problem = s.problem orelse if (s.at == text.len) "cut off" else "unexpected byte";
    return prism.fail("not JSON: {s} at offset {d}", .{ problem, s.at });
}

/// Reads a document from front to back. Its methods return error.NotJSON where the text stops being that, and at
/// is then the offending byte.
const Scanner = struct {
    allocator: Allocator,
    text: []const u8,
    at: usize = 0,
    tokens: std.ArrayList(Token) = .empty,
    /// The containers around this place, the outermost first, and how many.
    inside: [max_depth]usize = undefined,
    depth: usize = 0,
    escapes: bool = false,
    /// What it is, when it is neither an unexpected byte nor the end.
    problem: ?[]const u8 = null,

    const Error = error{ NotJSON, OutOfMemory };

    /// Reads one value and all it contains.
    fn document(s: *Scanner) Error!void {
        while (true) {
            const value = try s.open();
            switch (s.peek()) {
                '{', '[' => |bracket| {
                    if (s.depth == max_depth) {
                        s.problem = "nested deeper than 64 levels";
                        return error.NotJSON;
                    }
                    s.at += 1;
                    s.space();
                    if (s.peek() != closing(bracket)) {
                        s.inside[s.depth] = value;
                        s.depth += 1;
                        if (bracket == '{') try s.key();
                        continue;
                    }
                    s.at += 1;
                },
                '"' => try s.quoted(),
                't' => try s.literal("true"),
                'f' => try s.literal("false"),
                'n' => try s.literal("null"),
                else => {
                    const number = Number.prefix(s.text[s.at..]);
                    s.at += number.length;
                    if (!number.whole) return error.NotJSON;
                },
            }
            s.close(value);
            try s.after();
            if (s.depth == 0) return;
        }
    }

    /// Steps from the end of a value to the beginning of the next, out of the containers that end in between.
    fn after(s: *Scanner) Error!void {
        while (s.depth > 0) {
            s.space();
            const container = s.inside[s.depth - 1];
            const bracket = s.text[s.tokens.items[container].start];
            if (s.peek() == ',') {
                s.at += 1;
                s.space();
                return if (bracket == '{') s.key();
            }
            try s.take(closing(bracket));
            s.close(container);
            s.depth -= 1;
        }
    }

    /// Reads the key of a member, up to its value.
    fn key(s: *Scanner) Error!void {
        if (s.peek() != '"') return error.NotJSON;
        const token = try s.open();
        try s.quoted();
        s.close(token);
        s.space();
        try s.take(':');
        s.space();
    }

    /// Begins a token here; close ends it, with all that was read since as its contents.
    fn open(s: *Scanner) Error!usize {
        try s.tokens.append(s.allocator, .{ .start = @intCast(s.at) });
        return s.tokens.items.len - 1;
    }

    fn close(s: *Scanner, token: usize) void {
        s.tokens.items[token].end = @intCast(s.at);
        s.tokens.items[token].next = @intCast(s.tokens.items.len);
    }

    fn quoted(s: *Scanner) Error!void {
        s.at += 1;
        while (true) {
            s.at += plain(s.text[s.at..]);
            switch (s.peek()) {
                '"' => {
                    s.at += 1;
                    return;
                },
                '\\' => {
                    s.at += 1;
                    s.escapes = true;
                    try s.escape();
                },
                0...0x1f => return error.NotJSON, // the end, too
                else => s.at += characterLength(s.text[s.at..]) orelse {
                    s.problem = "not UTF-8";
                    return error.NotJSON;
                },
            }
        }
    }

    fn escape(s: *Scanner) Error!void {
        switch (s.peek()) {
            '"', '\\', '/', 'b', 'f', 'n', 'r', 't' => s.at += 1,
            'u' => {
                s.at += 1;
                for (0..4) |_| {
                    if (!std.ascii.isHex(s.peek())) return error.NotJSON;
                    s.at += 1;
                }
            },
            else => return error.NotJSON,
        }
    }

    fn literal(s: *Scanner, word: []const u8) Error!void {
        for (word) |c| try s.take(c);
    }

    fn space(s: *Scanner) void {
        while (true) switch (s.peek()) {
            ' ', '\t', '\n', '\r' => s.at += 1,
            else => return,
        };
    }

    /// The byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it is no valid
    /// character either, so the two need not be told apart.
    fn peek(s: *const Scanner) u8 {
        return if (s.at < s.text.len) s.text[s.at] else 0;
    }

    fn take(s: *Scanner, c: u8) Error!void {
        if (s.peek() != c) return error.NotJSON;
        s.at += 1;
    }
};

/// The bracket that ends what a bracket began.
fn closing(bracket: u8) u8 {
    return bracket + 2;
}

/// How many bytes of text are characters that stand for themselves: ASCII, and neither a control character nor a
/// quote nor a backslash. It looks at eight of them at once.
fn plain(text: []const u8) usize {
    const each: u64 = 0x0101010101010101;
    var n: usize = 0;
    while (text.len - n >= 8) : (n += 8) {
        const eight = std.mem.readInt(u64, text[n..][0..8], .little);
        const quote = eight ^ each * '"';
        const backslash = eight ^ each * '\\';
        // In the first byte that is not plain, and in none before it, the highest bit is set.
        const control = (eight -% each * ' ') & ~eight;
        const found = (eight | control | ((quote -% each) & ~quote) | ((backslash -% each) & ~backslash)) & (each * 0x80);
        if (found != 0) return n + @ctz(found) / 8;
    }
    while (n < text.len) : (n += 1) switch (text[n]) {
        0...0x1f, '"', '\\', 0x80...0xff => break,
        else => {},
    };
    return n;
}

/// The bytes of the UTF-8 character that text begins with, null when it is none.
fn characterLength(text: []const u8) ?usize {
    const length = std.unicode.utf8ByteSequenceLength(text[0]) catch return null;
    if (length > text.len or !std.unicode.utf8ValidateSlice(text[0..length])) return null;
    return length;
}

/// The beginning of a text, read as a number.
pub const Number = struct {
    /// How many bytes are before the exponent.
    mantissa: usize,
    /// How many bytes could be read.
    length: usize,
    /// They are a number, not only the beginning of one.
    whole: bool,

    pub fn prefix(text: []const u8) Number {
        var n: usize = @intFromBool(at(text, 0) == '-');
        const end = if (at(text, n) == '0') n + 1 else digits(text, n);
        if (end == n) return cut(n);
        n = end;
        if (at(text, n) == '.') {
            n = digits(text, n + 1);
            if (n == end + 1) return cut(n);
        }
        const mantissa = n;
        if (at(text, n) | 0x20 != 'e') return .{ .mantissa = mantissa, .length = n, .whole = true };
        n += 1;
        if (at(text, n) == '+' or at(text, n) == '-') n += 1;
        const length = digits(text, n);
        return .{ .mantissa = mantissa, .length = length, .whole = length > n };
    }

    fn cut(length: usize) Number {
        return .{ .mantissa = length, .length = length, .whole = false };
    }

    fn at(text: []const u8, n: usize) u8 {
        return if (n < text.len) text[n] else 0;
    }

    /// The offset behind the digits from a place on.
    fn digits(text: []const u8, from: usize) usize {
        var n = from;
        while (n < text.len and std.ascii.isDigit(text[n])) n += 1;
        return n;
    }
};

// What follows reads the content of a checked string, the text between its quotes, in which a character may be
// written as an escape: "\u0045" is the key "E".

/// Whether content stands for word, which is ASCII.
pub fn equal(content: []const u8, word: []const u8) bool {
    const rest = cutPrefix(content, word) orelse return false;
    return rest.len == 0;
}

/// What follows prefix, which is ASCII, in content.
pub fn cutPrefix(content: []const u8, wanted: []const u8) ?[]const u8 {
    var rest = content;
    for (wanted) |c| {
        const found, const size = character(rest) orelse return null;
        if (found != c) return null;
        rest = rest[size..];
    }
    return rest;
}

/// What follows the first wanted in content.
pub fn after(content: []const u8, wanted: u8) ?[]const u8 {
    var rest = content;
    while (character(rest)) |found| {
        rest = rest[found[1]..];
        if (found[0] == wanted) return rest;
    }
    return null;
}

/// The first character of content and the bytes it takes. Of a character that is neither ASCII nor an escape it is
/// the first byte, which is no ASCII character's either.
fn character(content: []const u8) ?struct { u16, usize } {
    if (content.len == 0) return null;
    if (content[0] != '\\') return .{ content[0], 1 };
    return switch (content[1]) {
        'b' => .{ 8, 2 },
        'f' => .{ 12, 2 },
        'n' => .{ '\n', 2 },
        'r' => .{ '\r', 2 },
        't' => .{ '\t', 2 },
        'u' => .{ std.fmt.parseInt(u16, content[2..6], 16) catch unreachable, 6 },
        else => |c| .{ c, 2 },
    };
}
