const std = @import("std");
const prism = @import("prism");
const decimals = @import("decimal.zig");
const json = @import("json.zig");

/// A reader fails with the sentence it gave to prism.fail.
pub const Error = error{ Failed, OutOfMemory };

/// What a reader returns: of a string what stands between the quotes, of a number its digits, and null for a value
/// that is null or not there, where the node allows that.
pub const Text = ?[]const u8;

/// One input on its way to events.
pub const Message = struct {
    allocator: std.mem.Allocator,
    document: json.Document,
    /// The exchange and the kind of message, for failures.
    kind: []const u8 = "",

    /// The whole message, an object.
    pub fn top(message: *Message) Node {
        return .{ .message = message, .parent = null, .place = .{ .member = "" }, .token = 0, .cursor = 1 };
    }
};

/// The key of an array's next element.
pub const next = "";

/// An object or an array of the message together with the way to it, which failures name.
///
/// A reader of an object is given a key; a reader of an array is given next, and takes one element after the other.
pub const Node = struct {
    message: *Message,
    parent: ?*const Node,
    /// Where it stands in its parent.
    place: union(enum) { member: []const u8, element: usize },
    /// null when there is no such node: it has no contents.
    token: ?usize,
    /// Of an array: the token of the next element, and how many were taken.
    cursor: usize,
    taken: usize = 0,
    /// What its values may do without: nothing; or they may be null, or "", which is how OKX writes null; or null
    /// or missing.
    lack: enum { nothing, nulls, members } = .nothing,

    /// The same node, whose values may be null.
    pub fn orNull(n: *const Node) Node {
        var lax = n.*;
        lax.lack = .nulls;
        return lax;
    }

    /// The same node, whose values may be missing.
    pub fn ifSent(n: *const Node) Node {
        var lax = n.*;
        lax.lack = .members;
        return lax;
    }

    /// Says what message this is, for failures from now on.
    pub fn is(n: *const Node, kind: []const u8) void {
        n.message.kind = kind;
    }

    /// Whether an object has the key.
    pub fn has(n: *Node, key: []const u8) bool {
        return n.find(key) != null;
    }

    /// Whether there is another element to take.
    pub fn more(n: *const Node) bool {
        return n.cursor < n.message.document.after(n.token orelse return false);
    }

    /// The token of a value. Of several members with one key the last counts.
    fn find(n: *Node, key: []const u8) ?usize {
        const document = &n.message.document;
        const token = n.token orelse return null;
        if (key.len == 0) {
            n.taken += 1;
            if (!n.more()) return null;
            defer n.cursor = document.after(n.cursor);
            return n.cursor;
        }
        var found: ?usize = null;
        var member = token + 1;
        const end = document.after(token);
        while (member < end) : (member = document.after(member + 1)) {
            const content = unquoted(document.text(member));
            if (std.mem.eql(u8, content, key) or document.escapes and json.equal(content, key)) found = member + 1;
        }
        return found;
    }

    /// The token of a value that is there.
    fn present(n: *Node, key: []const u8) Error!?usize {
        const token = n.find(key) orelse return if (n.lack == .members) null else n.fail(key, "is missing", .{});
        const text = n.message.document.text(token);
        if (n.lack != .nothing and (std.mem.eql(u8, text, "null") or std.mem.eql(u8, text, "\"\""))) return null;
        return token;
    }

    /// A value as it stands in the message.
    pub fn raw(n: *Node, key: []const u8) Error!Text {
        return n.message.document.text(try n.present(key) orelse return null);
    }

    /// A value that is an object.
    pub fn object(n: *Node, key: []const u8) Error!Node {
        return n.container(key, '{', "an object");
    }

    /// A value that is an array.
    pub fn array(n: *Node, key: []const u8) Error!Node {
        return n.container(key, '[', "an array");
    }

    /// The array "data" of a message that carries several entries. One at least is there: a message without any would
    /// say nothing.
    pub fn entries(n: *Node) Error!Node {
        const data = try n.array("data");
        return if (data.more()) data else n.fail("data", "is empty", .{});
    }

    fn container(n: *Node, key: []const u8, bracket: u8, noun: []const u8) Error!Node {
        const token = try n.present(key);
        if (token) |t| {
            const text = n.message.document.text(t);
            if (text[0] != bracket) return n.wrong(key, noun, text);
        }
        return .{ .message = n.message, .parent = n, .place = n.placeOf(key), .token = token, .cursor = (token orelse 0) + 1 };
    }

    /// The content of a string, its escapes kept. An empty string is refused: here strings are names, ids and reasons.
    pub fn string(n: *Node, key: []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        const content = quoted(text) orelse return n.wrong(key, "a string", text);
        return if (content.len > 0) content else n.fail(key, "is empty", .{});
    }

    /// The word among words that a string holds.
    pub fn oneOf(n: *Node, key: []const u8, comptime words: []const []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        if (quoted(text)) |content| {
            for (words) |word| {
                if (json.equal(content, word)) return word;
            }
        }
        comptime var noun: []const u8 = "\"" ++ words[0] ++ "\"";
        inline for (words[1..]) |word| noun = noun ++ " or \"" ++ word ++ "\"";
        return n.wrong(key, noun, text);
    }

    /// Whether a value is true.
    pub fn boolean(n: *Node, key: []const u8) Error!bool {
        const text = try n.raw(key) orelse return false;
        if (std.mem.eql(u8, text, "true")) return true;
        return if (std.mem.eql(u8, text, "false")) false else n.wrong(key, "true or false", text);
    }

    /// A number without fraction.
    pub fn integer(n: *Node, key: []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        return if (decimals.isInteger(text)) text else n.wrong(key, "a 64-bit integer", text);
    }

    /// The integer in a string.
    pub fn digits(n: *Node, key: []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        if (quoted(text)) |content| if (decimals.isInteger(content)) return content;
        return n.wrong(key, "a 64-bit integer in a string", text);
    }

    /// A number as a plain decimal.
    pub fn number(n: *Node, key: []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        return try decimals.plainDecimal(n.message.allocator, text) orelse n.wrong(key, "a decimal number", text);
    }

    /// The number in a string as a plain decimal.
    pub fn decimal(n: *Node, key: []const u8) Error!Text {
        const text = try n.raw(key) orelse return null;
        if (quoted(text)) |content| if (try decimals.plainDecimal(n.message.allocator, content)) |plain| return plain;
        return n.wrong(key, "a decimal number in a string", text);
    }

    /// Fails on a value that is none of those this plugin knows.
    pub fn unknown(n: *const Node, noun: []const u8, content: []const u8) Error {
        const text = try std.fmt.allocPrint(n.message.allocator, "\"{s}\"", .{content});
        const start, const rest = excerpt(text);
        return prism.fail("{s}: unknown {s} {s}{s}", .{ n.message.kind, noun, start, rest });
    }

    /// Fails with what a value should have been and what it is.
    pub fn wrong(n: *const Node, key: []const u8, noun: []const u8, text: []const u8) Error {
        const start, const rest = excerpt(text);
        return n.fail(key, "is not {s}: {s}{s}", .{ noun, start, rest });
    }

    /// Fails on a value: the member with that key, or the element taken last.
    fn fail(n: *const Node, key: []const u8, comptime format: []const u8, args: anytype) Error {
        @branchHint(.cold);
        const value: Node = .{ .message = n.message, .parent = n, .place = n.placeOf(key), .token = null, .cursor = 0 };
        var path: std.ArrayList(u8) = .empty;
        try value.writePath(&path);
        return prism.fail("{s}: field \"{s}\" " ++ format, .{ n.message.kind, path.items } ++ args);
    }

    fn placeOf(n: *const Node, key: []const u8) @FieldType(Node, "place") {
        return if (key.len == 0) .{ .element = n.taken -| 1 } else .{ .member = key };
    }

    /// Writes the way to the node: data[0].px
    fn writePath(n: *const Node, path: *std.ArrayList(u8)) error{OutOfMemory}!void {
        const parent = n.parent orelse return;
        try parent.writePath(path);
        switch (n.place) {
            .element => |index| try path.print(n.message.allocator, "[{d}]", .{index}),
            .member => |key| try path.print(n.message.allocator, "{s}{s}", .{ if (parent.parent == null) "" else ".", key }),
        }
    }
};

/// What stands between the quotes of a string, null of anything else.
fn quoted(text: []const u8) ?[]const u8 {
    return if (text[0] == '"') unquoted(text) else null;
}

fn unquoted(text: []const u8) []const u8 {
    return text[1 .. text.len - 1];
}

/// The beginning of text, whole characters of it, and what stands for the rest.
fn excerpt(text: []const u8) struct { []const u8, []const u8 } {
    const most = 40; // bytes
    if (text.len <= most) return .{ text, "" };
    var end: usize = most;
    while (text[end] & 0xc0 == 0x80) end -= 1; // not the first byte of a character
    return .{ text[0..end], "..." };
}
