//! What a prismrt plugin written in Zig imports.
//!
//! A plugin is a function from bytes to bytes; the server calls it with each input and sends back what it
//! returns:
//!
//!     const std = @import("std");
//!     const prism = @import("prism");
//!
//!     comptime {
//!         prism.plugin(.{ .handlers = .{ .handle = upper } });
//!     }
//!
//!     pub const panic = prism.panic;
//!     pub const std_options: std.Options = .{ .logFn = prism.logFn };
//!
//!     fn upper(allocator: std.mem.Allocator, input: []const u8) ![]const u8 {
//!         if (input.len == 0) return prism.fail("there is nothing to write in capitals", .{});
//!         return std.ascii.allocUpperString(allocator, input);
//!     }
//!
//! Every call starts from the memory that init left behind, the image, and nothing of a call survives it: memory
//! that a handler does not free is not lost, and what it stores in a global is gone with the next call.

const std = @import("std");
const builtin = @import("builtin");
const host = @import("host.zig");
const Allocator = std.mem.Allocator;

pub const json = @import("json.zig").json;

/// Runs handlers natively, in ordinary tests.
pub const testing = if (builtin.cpu.arch.isWasm()) struct {} else @import("testing.zig");

/// A handler turns the input of one call into its output, both of which are the call's: nothing needs to be
/// freed. An error makes the call fail, with the message given to fail, or else the error's name.
pub const Handler = fn (allocator: Allocator, input: []const u8) anyerror![]const u8;

/// What allocates in a plugin. In init it is what the image keeps.
pub const allocator: Allocator = if (builtin.cpu.arch.isWasm()) std.heap.wasm_allocator else std.heap.page_allocator;

/// Exports the plugin to the server. It is called once, in a comptime block of the root file, with
///
///     handlers   a struct of handlers; the name of each is that by which it is called. The default one, which
///                runs when a call names no function, is called handle
///     init       fn () void, run once for a version, before its image is taken; it may be left out
///     on_resume  fn () void, run at the beginning of each call, before the handler and at its expense; it may be
///                left out. It does not run when the manifest has image = "off": init then runs for each call
///
/// Compiled for anything but WebAssembly it exports nothing.
pub fn plugin(comptime parts: anytype) void {
    const Parts = @TypeOf(parts);
    inline for (comptime std.meta.fieldNames(Parts)) |name| {
        if (!comptime (std.mem.eql(u8, name, "handlers") or std.mem.eql(u8, name, "init") or std.mem.eql(u8, name, "on_resume"))) {
            @compileError("prism.plugin knows handlers, init and on_resume, not " ++ name);
        }
    }
    if (!builtin.cpu.arch.isWasm()) return;
    @export(&struct {
        fn initialise() callconv(.c) void {
            if (@hasField(Parts, "init")) parts.init();
        }
    }.initialise, .{ .name = "_initialize" });
    if (@hasField(Parts, "on_resume")) @export(&struct {
        fn onResume() callconv(.c) void {
            parts.on_resume();
        }
    }.onResume, .{ .name = "prism_resume" });
    inline for (comptime std.meta.fieldNames(@TypeOf(parts.handlers))) |name| {
        @export(&struct {
            fn handler() callconv(.c) i32 {
                return run(allocator, @field(parts.handlers, name));
            }
        }.handler, .{ .name = name });
    }
}

/// Runs a handler on the input of the call in progress and returns what an export must return: 0 when it succeeded,
/// 1 when the call failed. plugin calls it.
pub fn run(gpa: Allocator, comptime handler: anytype) i32 {
    failed = false;
    const output = call(gpa, handler) catch |err| {
        if (!failed) host.fail(@errorName(err));
        return 1;
    };
    write(output);
    return 0;
}

fn call(gpa: Allocator, comptime handler: anytype) ![]const u8 {
    const size = try inputLength();
    const input = try gpa.alloc(u8, size);
    var done: usize = 0;
    while (done < size) {
        const n = try read(input[done..], done);
        if (n == 0) return error.InputRefused;
        done += n;
    }
    return handler(gpa, input);
}

/// The handler gave a message to fail with.
threadlocal var failed = false;

/// Sets the message the caller receives, of 4,096 bytes at most, and returns an error for the handler to return.
pub fn fail(comptime format: []const u8, args: anytype) error{Failed} {
    var buffer: [message_max]u8 = undefined;
    failed = true;
    host.fail(formatted(&buffer, format, args));
    return error.Failed;
}

/// The most bytes of a message that reach the server; the rest is cut off.
const message_max = 4096;

fn formatted(buffer: *[message_max]u8, comptime format: []const u8, args: anytype) []const u8 {
    var writer: std.Io.Writer = .fixed(buffer);
    writer.print(format, args) catch {}; // what fits is written
    return writer.buffered();
}

/// How much a line of the log matters, from the least to the most.
pub const Level = enum(i32) { debug = 0, info = 1, warn = 2, err = 3 };

/// Writes one line to the call's log: the caller sees it where the call fails, and who watches the task that it runs
/// for. It needs no newline.
pub fn log(level: Level, comptime format: []const u8, args: anytype) void {
    var buffer: [message_max]u8 = undefined;
    host.log(@intFromEnum(level), formatted(&buffer, format, args));
}

/// Makes std.log write to the plugin's log: pub const std_options: std.Options = .{ .logFn = prism.logFn };
pub fn logFn(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    const prefix = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    log(switch (level) {
        .debug => .debug,
        .info => .info,
        .warn => .warn,
        .err => .err,
    }, prefix ++ format, args);
}

/// Logs the message of a panic, which then ends the call: pub const panic = prism.panic;
pub const panic = std.debug.FullPanic(struct {
    fn panicked(message: []const u8, _: ?usize) noreturn {
        log(.err, "panic: {s}", .{message});
        @trap();
    }
}.panicked);

/// The length of the input in bytes. A handler has the input already; this and read are for who would rather read
/// it in parts.
pub fn inputLength() error{InputRefused}!usize {
    return std.math.cast(usize, host.inputLen()) orelse error.InputRefused;
}

/// Copies the input from an offset on, and returns how many bytes: 0 at its end.
pub fn read(to: []u8, offset: usize) error{InputRefused}!usize {
    return std.math.cast(usize, host.inputRead(to, offset)) orelse error.InputRefused;
}

/// Adds to the output at once; what the handler returns comes after it. Past the output limit the server ends the
/// call.
pub fn write(from: []const u8) void {
    if (from.len > 0) host.outputWrite(from);
}

/// Tells how far the call is, for who watches the task it runs for: done of total, in whatever unit the plugin
/// likes, and a word on what it does, which may be "". A total of 0 says that it is not known. Only the latest
/// counts; each time costs about what 1,100 instructions do.
pub fn progress(done: u64, total: u64, message: []const u8) void {
    host.progress(std.math.lossyCast(i64, done), std.math.lossyCast(i64, total), message);
}

/// The value the operator granted under a key in the plugin's manifest ([grants] config), null when it is not
/// set.
pub fn config(gpa: Allocator, key: []const u8) error{OutOfMemory}!?[]u8 {
    return lookUp(gpa, .config, key);
}

/// The id of the call in progress, a ULID: its caller has it as Prism-Request-Id, and the server's log tells it.
pub fn requestId(gpa: Allocator) error{OutOfMemory}!?[]u8 {
    return lookUp(gpa, .call, "request_id");
}

/// The name of the handler that was called, that of the default one if the call named none.
pub fn function(gpa: Allocator) error{OutOfMemory}!?[]u8 {
    return lookUp(gpa, .call, "function");
}

/// The name the plugin was pushed under.
pub fn pluginName(gpa: Allocator) error{OutOfMemory}!?[]u8 {
    return lookUp(gpa, .call, "plugin");
}

/// The number of the plugin's version that runs, from 1 on.
pub fn version() ?u64 {
    var buffer: [32]u8 = undefined;
    return std.fmt.parseInt(u64, short(&buffer, "version") orelse return null, 10) catch null;
}

/// When the server will stop the call in progress, in milliseconds since 1970 in UTC, which it does without
/// warning. It is null when there is no deadline.
pub fn deadline() ?i64 {
    var buffer: [32]u8 = undefined;
    return parseTime(short(&buffer, "deadline") orelse return null);
}

/// What is known of the call under a key, where that is short.
fn short(buffer: *[32]u8, key: []const u8) ?[]const u8 {
    const length = std.math.cast(usize, host.get(.call, key, buffer)) orelse return null;
    return if (length <= buffer.len) buffer[0..length] else null;
}

fn lookUp(gpa: Allocator, what: host.Get, key: []const u8) error{OutOfMemory}!?[]u8 {
    const length = std.math.cast(usize, host.get(what, key, &.{})) orelse return null;
    const value = try gpa.alloc(u8, length);
    _ = host.get(what, key, value);
    return value;
}

/// Reads a time as the host writes it, 2026-03-01T12:00:00.000Z.
pub fn parseTime(text: []const u8) ?i64 {
    const form = "0000-00-00T00:00:00.000Z";
    if (text.len != form.len) return null;
    for (text, form) |c, f| {
        if (if (f == '0') !std.ascii.isDigit(c) else c != f) return null;
    }
    const part = struct {
        fn number(digits: []const u8) i64 {
            return std.fmt.parseInt(i64, digits, 10) catch unreachable;
        }
    }.number;
    const month, const day = .{ part(text[5..7]), part(text[8..10]) };
    if (month < 1 or month > 12 or day < 1) return null;
    // The year is taken to begin in March, so that the day a leap year has more is its last: the months before
    // then have 153 days in five.
    const year = part(text[0..4]) - @intFromBool(month <= 2);
    const days = 365 * year + @divFloor(year, 4) - @divFloor(year, 100) + @divFloor(year, 400) +
        @divFloor(153 * @mod(month + 9, 12) + 2, 5) + day - 1 - 719_468;
    const seconds = (part(text[11..13]) * 60 + part(text[14..16])) * 60 + part(text[17..19]);
    return (days * 86_400 + seconds) * 1_000 + part(text[20..23]);
}

/// Fills memory at random: from the server in a call, and the same for all calls in init. It is good enough for
/// keys.
pub fn random(to: []u8) void {
    if (to.len > 0 and host.random(to) != 0) @panic("the host refused random bytes");
}

/// A generator of random numbers, seeded by the server. One that is made in a handler gives other numbers in each
/// call. One that is made in init gives the same in every call, unless on_resume makes it anew.
pub fn prng() std.Random.DefaultPrng {
    var seed: [8]u8 = undefined;
    random(&seed);
    return .init(std.mem.readInt(u64, &seed, .little));
}
