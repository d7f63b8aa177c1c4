const std = @import("std");
const prism = @import("prism.zig");
const Allocator = std.mem.Allocator;
const Host = prism.testing.Host;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

// It is checked natively as it is for WebAssembly.
comptime {
    prism.plugin(.{ .handlers = .{ .handle = upper, .costs = prism.json(cost) } });
}

fn repeated(comptime length: usize) []const u8 {
    return &@as([length]u8, @splat('x'));
}

fn upper(allocator: Allocator, input: []const u8) ![]const u8 {
    return std.ascii.allocUpperString(allocator, input);
}

test "output is what the handler returned" {
    var got = prism.testing.call(upper, "hello");
    defer got.deinit();
    try got.expectOutput("HELLO");
}

const large = repeated(1_000_000);

test "a large input is seen whole, in memory of the handler's own" {
    const Echo = struct {
        fn echo(_: Allocator, in: []const u8) ![]const u8 {
            try expect(in.ptr != large.ptr);
            return in;
        }
    };
    var got = prism.testing.call(Echo.echo, large);
    defer got.deinit();
    try got.expectOutput(large);
}

test "an error reaches the caller as the message it was given, or its name" {
    const Failing = struct {
        fn told(_: Allocator, input: []const u8) ![]const u8 {
            return prism.fail("order {s}: no price", .{input});
        }
        fn named(_: Allocator, _: []const u8) ![]const u8 {
            return error.NoPrice;
        }
        fn long(_: Allocator, _: []const u8) ![]const u8 {
            return prism.fail("{s}", .{repeated(5_000)});
        }
    };
    var told = prism.testing.call(Failing.told, "7");
    defer told.deinit();
    try told.expectFailure("order 7: no price");
    var named = prism.testing.call(Failing.named, "");
    defer named.deinit();
    try named.expectFailure("NoPrice");
    var long = prism.testing.call(Failing.long, "");
    defer long.deinit();
    try long.expectFailure(repeated(4_096));
}

test "log lines are kept in order with their levels" {
    const Logging = struct {
        fn handle(_: Allocator, _: []const u8) ![]const u8 {
            prism.log(.debug, "first", .{});
            prism.logFn(.info, .default, "{d} of {d}", .{ 2, 3 });
            prism.logFn(.err, .books, "third", .{});
            return "";
        }
    };
    var got = prism.testing.call(Logging.handle, "");
    defer got.deinit();
    try expectEqual(3, got.log.items.len);
    const want = [_]prism.testing.Line{
        .{ .level = .debug, .message = "first" },
        .{ .level = .info, .message = "2 of 3" },
        .{ .level = .err, .message = "(books) third" },
    };
    for (want, got.log.items) |w, g| {
        try expectEqual(w.level, g.level);
        try expectEqualStrings(w.message, g.message);
    }
}

test "progress is kept in order" {
    const Telling = struct {
        fn handle(_: Allocator, _: []const u8) ![]const u8 {
            prism.progress(1, 2, "half");
            prism.progress(std.math.maxInt(u64), 0, "");
            return "";
        }
    };
    var got = prism.testing.call(Telling.handle, "");
    defer got.deinit();
    const steps = got.progress.items;
    try expectEqual(2, steps.len);
    try expect(steps[0].done == 1 and steps[0].total == 2 and std.mem.eql(u8, steps[0].message, "half"));
    try expect(steps[1].done == std.math.maxInt(i64) and steps[1].total == 0 and steps[1].message.len == 0);
}

test "config tells unset from empty and carries long values" {
    const long = repeated(10_000);
    const Reading = struct {
        fn handle(allocator: Allocator, _: []const u8) ![]const u8 {
            try expectEqual(null, try prism.config(allocator, "absent"));
            try expectEqualStrings("", (try prism.config(allocator, "empty")).?);
            return (try prism.config(allocator, "long")).?;
        }
    };
    const host: Host = .{ .config = &.{ .{ "empty", "" }, .{ "long", long } } };
    var got = host.call(Reading.handle, "");
    defer got.deinit();
    try got.expectOutput(long);
}

test "the call is as the host tells it" {
    const Telling = struct {
        fn handle(allocator: Allocator, _: []const u8) ![]const u8 {
            return std.fmt.allocPrint(allocator, "{?s} {?s} {?s} {?d} {?d}", .{
                try prism.requestId(allocator), try prism.function(allocator), try prism.pluginName(allocator), prism.version(), prism.deadline(),
            });
        }
    };
    const host: Host = .{ .request_id = "01J", .function = "score", .plugin = "scores", .version = 12, .deadline = 1_772_366_400_250 };
    var known = host.call(Telling.handle, "");
    defer known.deinit();
    try known.expectOutput("01J score scores 12 1772366400250");
    var unknown = prism.testing.call(Telling.handle, "");
    defer unknown.deinit();
    try unknown.expectOutput("null null null null null");
}

test "times are read as the host writes them" {
    try expectEqual(0, prism.parseTime("1970-01-01T00:00:00.000Z"));
    try expectEqual(951_868_799_999, prism.parseTime("2000-02-29T23:59:59.999Z"));
    try expectEqual(951_868_800_000, prism.parseTime("2000-03-01T00:00:00.000Z"));
    try expectEqual(1_772_366_400_250, prism.parseTime("2026-03-01T12:00:00.250Z"));
    try expectEqual(4_107_542_400_000, prism.parseTime("2100-03-01T00:00:00.000Z"));
    for ([_][]const u8{ "", "2026-03-01", "2026-13-01T12:00:00.000Z", "2026-03-01T12:00:00.000+" }) |text| {
        try expectEqual(null, prism.parseTime(text));
    }
}

test "input and output may be taken in parts" {
    const Parts = struct {
        fn handle(_: Allocator, _: []const u8) ![]const u8 {
            var part: [4]u8 = undefined;
            try expectEqual(10, try prism.inputLength());
            try expectEqual(4, try prism.read(&part, 4));
            prism.write(&part);
            try expectEqual(0, try prism.read(&part, 10));
            return "end";
        }
    };
    var got = prism.testing.call(Parts.handle, "0123456789");
    defer got.deinit();
    try got.expectOutput("4567end");
}

test "outside a call nothing is there" {
    try std.testing.expectError(error.InputRefused, prism.inputLength());
    try expectEqual(null, prism.version());
    try expectEqual(1, prism.run(std.testing.allocator, upper));
}

test "memory is filled at random and generators are not alike" {
    var filled: [64]u8 = @splat(0);
    prism.random(filled[1..]);
    try expect(filled[0] == 0 and std.mem.countScalar(u8, filled[1..], 0) < 8);
    var a, var b = .{ prism.prng(), prism.prng() };
    try expect(a.random().int(u64) != b.random().int(u64));
}

const Order = struct { price: f64, size: f64 };

fn cost(_: Allocator, order: Order) !struct { cost: f64 } {
    if (order.size < 0) return prism.fail("size {d} is negative", .{order.size});
    return .{ .cost = order.price * order.size };
}

test "json handlers take and return values" {
    inline for (.{
        .{ "{\"price\": 2.5, \"size\": 3, \"side\": \"buy\"}", "{\"cost\":7.5}", true },
        .{ "{\"price\": 2.5, \"size\": -3}", "size -3 is negative", false },
        .{ "{\"price\": 2.5,\n\"size\": []}", "the input is not as expected: UnexpectedToken at line 2 column 10", false },
        .{ "{\"price\": 2.5}", "the input is not as expected: MissingField at line 1 column 15", false },
    }) |row| {
        var got = prism.testing.call(prism.json(cost), row[0]);
        defer got.deinit();
        try if (row[2]) got.expectOutput(row[1]) else got.expectFailure(row[1]);
    }
}
