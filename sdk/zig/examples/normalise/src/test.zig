const std = @import("std");
const prism = @import("prism");
const decimal = @import("decimal.zig");
const milliseconds = @import("deribit.zig").milliseconds;
const normalise = @import("main.zig").normalise;

const exchanges = .{ "binance", "okx", "deribit" };

/// The messages and events shared with the same plugin in other languages.
const samples = "../../../testdata/market/";

fn readFile(allocator: std.mem.Allocator, path: []const u8) ![]u8 {
    return std.Io.Dir.cwd().readFileAlloc(std.testing.io, path, allocator, .limited(16 << 20));
}

fn linesOf(text: []const u8) std.mem.SplitIterator(u8, .scalar) {
    return std.mem.splitScalar(u8, std.mem.trimEnd(u8, text, "\n"), '\n');
}

fn expectEvents(message: []const u8, want: []const u8) !void {
    var got = prism.testing.call(normalise, message);
    defer got.deinit();
    try got.expectOutput(want);
}

fn expectRefused(message: []const u8, want: []const u8) !void {
    var got = prism.testing.call(normalise, message);
    defer got.deinit();
    try got.expectFailure(want);
}

fn expectContains(message: []const u8, want: []const u8) !void {
    var got = prism.testing.call(normalise, message);
    defer got.deinit();
    try std.testing.expectEqual(null, got.failure);
    if (std.mem.find(u8, got.output.items, want) == null) {
        std.debug.print("no {s} in {s}\n", .{ want, got.output.items });
        return error.NotContained;
    }
}

test "sample messages become the golden events" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    inline for (exchanges) |exchange| {
        const golden = try readFile(arena.allocator(), samples ++ exchange ++ ".golden.ndjson");
        var messages = linesOf(try readFile(arena.allocator(), samples ++ exchange ++ ".ndjson"));
        var rest: []const u8 = golden;
        while (messages.next()) |message| {
            var got = prism.testing.call(normalise, message);
            defer got.deinit();
            const events = got.output.items;
            try got.expectOutput(rest[0..@min(events.len, rest.len)]);
            rest = rest[events.len..];
        }
        try std.testing.expectEqualStrings("", rest);
    }
}

test "refusals say what was expected and where" {
    const table = try readFile(std.testing.allocator, samples ++ "refusals.tsv");
    defer std.testing.allocator.free(table);
    var rows = linesOf(table);
    _ = rows.next();
    var n: usize = 0;
    while (rows.next()) |row| : (n += 1) {
        const message, const want = std.mem.cutScalar(u8, row, '\t').?;
        try expectRefused(message, want);
    }
    try std.testing.expect(n > 50);
}

test "refusals of what a table cannot hold" {
    const unexpected = "not JSON: unexpected byte at offset 7";
    const not_utf8 = "not JSON: not UTF-8 at offset 6";
    try expectRefused("{\"e\":\"a\nb\"}", unexpected);
    try expectRefused("{\"e\":\"a\x00b\"}", unexpected);
    try expectRefused("{\"e\":1}\x00", unexpected);
    try expectRefused("{\"e\":\"\xc3\x28\"}", not_utf8);
    try expectRefused("{\"e\":\"\xc0\xaf\"}", not_utf8); // overlong
    try expectRefused("{\"e\":\"\xed\xa0\x80\"}", not_utf8); // a surrogate
    try expectRefused("{\"e\":\"\xf4\x90\x80\x80\"}", not_utf8); // beyond the last character
    try expectRefused("{\"e\":\"\xe2\x82", not_utf8); // cut inside a character
    try expectRefused("\u{feff}{}", "not a JSON object");
    const too_deep = "not JSON: nested deeper than 64 levels at offset 68";
    const open: [1_000_000]u8 = @splat('[');
    const shut: [64]u8 = @splat(']');
    try expectRefused("{\"a\":" ++ open[0..64] ++ shut ++ "}", too_deep);
    try expectRefused("{\"a\":" ++ open[0..63] ++ shut[0..63] ++ "}", "unknown message: no \"stream\", \"arg\" or \"jsonrpc\" field");
    try expectRefused("{\"a\":" ++ open, too_deep);
    try expectRefused("{\"e\":\"€€€€€€€€€€€€€€€€€€€€\"}", "binance: unknown event \"€€€€€€€€€€€€€...");
}

test "every beginning of a message is cut off or refused" {
    inline for (exchanges) |exchange| {
        const text = try readFile(std.testing.allocator, samples ++ exchange ++ ".ndjson");
        defer std.testing.allocator.free(text);
        var messages = linesOf(text);
        while (messages.next()) |message| for (1..message.len) |end| {
            var got = prism.testing.call(normalise, message[0..end]);
            defer got.deinit();
            try std.testing.expectStringStartsWith(got.failure orelse "none", "not JSON: ");
        };
    }
}

test "white space does not matter, and keys differ by case" {
    const plain = "{\"exchange\":\"binance\",\"type\":\"book\",\"symbol\":\"A\",\"ts_ms\":1,\"action\":\"update\"," ++
        "\"first_seq\":10,\"last_seq\":20,\"bids\":[[\"1\",\"2\"],[\"3\",\"4\"]],\"asks\":[]}\n";
    try expectEvents("{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"A\",\"U\":10,\"u\":20,\"b\":[[\"1\",\"2\"],[\"3\",\"4\"]],\"a\":[]}", plain);
    try expectEvents(" \r\n{ \"e\" :\t\"depthUpdate\" , \"E\" : 1 ,\"s\":\"A\",\"U\":10,\"u\":20,\"b\" : [ [ \"1\" , \"2\" ] ," ++
        " [\"3\",\"4\"] ] , \"a\" : [ ] } \n", plain);
}

test "the last of two equal keys counts, and escapes of names are kept" {
    try expectContains(
        \\{"e":"kline","e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"\u0075":3,"b":[],"a":[]}
    , "\"last_seq\":3");
    try expectContains(
        \\{"s":"\"A\\\u00e9é\ud83d\ude00","b":"1","B":"2","a":"3","A":"4"}
    ,
        \\"symbol":"\"A\\\u00e9é\ud83d\ude00"
    );
}

test "plain decimals are exact" {
    const zeros: [400]u8 = @splat('0');
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    inline for (.{
        .{ "4714.0", "4714.0" },      .{ "0.00000000", "0.00000000" }, .{ "-0", "-0" },            .{ "1e-06", "0.000001" },
        .{ "1E6", "1000000" },        .{ "1e+2", "100" },              .{ "1.5e0", "1.5" },        .{ "1.50e2", "150" },
        .{ "1.50e1", "15.0" },        .{ "1.50e3", "1500" },           .{ "-12.5e-3", "-0.0125" }, .{ "-12.5e-1", "-1.25" },
        .{ "0e5", "0" },              .{ "0.0e-1", "0.00" },           .{ "0.05e1", "0.5" },       .{ "0.05e2", "5" },
        .{ "0.05e4", "500" },         .{ "1e000000002", "100" },       .{ "1e400", "1" ++ zeros }, .{ "1e-400", "0." ++ zeros[0..399] ++ "1" },
        .{ "123456789012345678901234567890.12345678901234567890e-10", "12345678901234567890.123456789012345678901234567890" },
    }) |row| try std.testing.expectEqualStrings(row[1], (try decimal.plainDecimal(arena.allocator(), row[0])).?);
    inline for (.{
        "1e401", "1e-401", "1e99999999999999999999", "", "-", ".5", "5.", "05", "+5", "1e", "1e+-2", "e5", " 1", "1 ", "0x1", "1_0", "Infinity", "1,5",
    }) |text| try std.testing.expectEqual(null, try decimal.plainDecimal(arena.allocator(), text));
}

test "integers have 64 bits" {
    inline for (.{ "0", "-1", "1701000000105", "9223372036854775807", "-9223372036854775807" }) |text| {
        try std.testing.expect(decimal.isInteger(text));
    }
    inline for (.{ "", "-", "-0", "00", "01", "-01", "1.0", "1e3", "+1", "9223372036854775808", "10000000000000000000", "1a", "--1" }) |text| {
        try std.testing.expect(!decimal.isInteger(text));
    }
}

test "milliseconds are truncated" {
    inline for (.{ .{ "1626993723847561", "1626993723847" }, .{ "999", "0" }, .{ "1000", "1" }, .{ "0", "0" }, .{ "-999", "0" }, .{ "-1999", "-1" } }) |row| {
        try std.testing.expectEqualStrings(row[1], milliseconds(row[0]).?);
    }
    try std.testing.expectEqual(null, milliseconds(null));
}
