//! Guest tells what it draws at random, and what it knows of the call. The server's tests build it.

const std = @import("std");
const prism = @import("prism");
const Allocator = std.mem.Allocator;

comptime {
    prism.plugin(.{ .init = prepare, .on_resume = resumed, .handlers = .{
        .handle = draw,
        .about = about,
        .advance = advance,
        .configured = configured,
        .stream = stream,
        .refuse = refuse,
        .panic = panics,
    } });
}

pub const panic = prism.panic;
pub const std_options: std.Options = .{ .logFn = prism.logFn };

/// What init leaves in the image.
var at_start: std.Random.DefaultPrng = undefined;
var anew: std.Random.DefaultPrng = undefined;
var hooks: []const u8 = "";

fn prepare() void {
    at_start = prism.prng();
    anew = prism.prng();
}

fn resumed() void {
    hooks = "resumed";
    anew = prism.prng();
}

/// Answers a line for each source: its name and what it gave.
fn draw(allocator: Allocator, _: []const u8) ![]const u8 {
    var bytes: [8]u8 = undefined;
    prism.random(&bytes);
    var generator = prism.prng();
    return std.fmt.allocPrint(allocator, "prism.random {d}\nprism.prng {d}\nresumed {d}\nstarted:prism.prng {d}\nstarted:hooks {s}\n", .{
        std.mem.readInt(u64, &bytes, .little), generator.next(), anew.next(), at_start.next(), hooks,
    });
}

fn about(allocator: Allocator, _: []const u8) ![]const u8 {
    const until = if (prism.deadline()) |at| try std.fmt.allocPrint(allocator, "{d}", .{at}) else "none";
    return std.fmt.allocPrint(allocator, "{?s} {?s} {?s} {?d} {s}", .{
        try prism.requestId(allocator), try prism.function(allocator), try prism.pluginName(allocator), prism.version(), until,
    });
}

/// Tells twice how far it is.
fn advance(_: Allocator, input: []const u8) ![]const u8 {
    prism.progress(1, 2, input);
    std.log.warn("{s}", .{input});
    prism.progress(5_000_000_000, 0, "");
    return "";
}

fn configured(allocator: Allocator, key: []const u8) ![]const u8 {
    return try prism.config(allocator, key) orelse error.NotSet;
}

/// Copies its input to its output, in parts.
fn stream(_: Allocator, _: []const u8) ![]const u8 {
    var part: [1000]u8 = undefined;
    var at: usize = 0;
    while (true) {
        const n = try prism.read(&part, at);
        if (n == 0) return "";
        prism.write(part[0..n]);
        at += n;
    }
}

fn refuse(_: Allocator, _: []const u8) ![]const u8 {
    return prism.fail("as it was {s}", .{"told"});
}

fn panics(_: Allocator, _: []const u8) ![]const u8 {
    @panic("it panicked as it was told");
}
