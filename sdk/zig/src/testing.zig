//! Runs a plugin's handlers natively, in ordinary tests: no server, no WebAssembly.
//!
//!     test "it greets in the configured words" {
//!         const host: prism.testing.Host = .{ .config = &.{.{ "greeting", "Bonjour" }} };
//!         var got = host.call(greet, "Ada");
//!         defer got.deinit();
//!         try got.expectOutput("Bonjour, Ada!\n");
//!     }
//!
//! Each thread has a host of its own.

const std = @import("std");
const prism = @import("prism.zig");

/// A key and its value.
pub const Setting = struct { []const u8, []const u8 };

/// The server's side of a call. Without fields it has no config and tells nothing of the call.
pub const Host = struct {
    config: []const Setting = &.{},
    request_id: ?[]const u8 = null,
    function: ?[]const u8 = null,
    plugin: ?[]const u8 = null,
    version: ?u64 = null,
    /// In milliseconds since 1970 in UTC.
    deadline: ?u64 = null,

    /// Runs a handler on an input. What init and on_resume of the plugin would do is the test's to do. A handler that
    /// itself makes a call through this host panics.
    pub fn call(host: Host, comptime handler: anytype, input: []const u8) Outcome {
        var outcome: Outcome = .{ .arena = .init(std.heap.page_allocator) };
        if (in_progress != null) @panic("a handler made a call through the host it is called by");
        in_progress = .{ .host = host, .input = input, .outcome = &outcome };
        defer in_progress = null;
        // The handler gets an input of its own, and memory that goes with the outcome.
        const status = prism.run(outcome.arena.allocator(), handler);
        if (status != 0 and outcome.failure == null) outcome.failure = "";
        return outcome;
    }
};

/// Runs a handler on an input, at a host without config.
pub fn call(comptime handler: anytype, input: []const u8) Outcome {
    return (Host{}).call(handler, input);
}

pub const Line = struct { level: prism.Level, message: []const u8 };

pub const Step = struct { done: u64, total: u64, message: []const u8 };

/// What one call did. It holds the memory the handler left.
pub const Outcome = struct {
    arena: std.heap.ArenaAllocator,
    /// What the caller receives when failure is null.
    output: std.ArrayList(u8) = .empty,
    /// The message of the fault the caller sees.
    failure: ?[]const u8 = null,
    /// The lines the handler logged, in order.
    log: std.ArrayList(Line) = .empty,
    /// What the handler told of how far it is, in order.
    progress: std.ArrayList(Step) = .empty,

    pub fn deinit(outcome: *Outcome) void {
        outcome.arena.deinit();
    }

    /// Expects that the call succeeded, with this output.
    pub fn expectOutput(outcome: *const Outcome, want: []const u8) !void {
        if (outcome.failure) |failure| {
            std.debug.print("the call failed: {s}\n", .{failure});
            return error.CallFailed;
        }
        try std.testing.expectEqualStrings(want, outcome.output.items);
    }

    /// Expects that the call failed, with this message.
    pub fn expectFailure(outcome: *const Outcome, want: []const u8) !void {
        const failure = outcome.failure orelse {
            std.debug.print("the call succeeded: {s}\n", .{outcome.output.items});
            return error.CallSucceeded;
        };
        try std.testing.expectEqualStrings(want, failure);
    }
};

const Call = struct { host: Host, input: []const u8, outcome: *Outcome };

threadlocal var in_progress: ?Call = null;

/// The functions the server offers, natively.
pub const stand_in = struct {
    /// The server takes so many bytes of a message.
    const message_max = 4096;

    fn keep(outcome: *Outcome, message: [*]const u8, length: usize) []const u8 {
        return outcome.arena.allocator().dupe(u8, message[0..@min(length, message_max)]) catch @panic("out of memory");
    }

    pub fn input_len() i32 {
        const c = in_progress orelse return -1;
        return @intCast(c.input.len);
    }

    pub fn input_read(to: [*]u8, offset: usize, length: usize) i32 {
        const c = in_progress orelse return -1;
        const from = c.input[@min(offset, c.input.len)..];
        return copy(from, to, length);
    }

    pub fn output_write(from: [*]const u8, length: usize) void {
        const c = in_progress orelse return;
        c.outcome.output.appendSlice(c.outcome.arena.allocator(), from[0..length]) catch @panic("out of memory");
    }

    pub fn fail(message: [*]const u8, length: usize) void {
        const c = in_progress orelse return;
        c.outcome.failure = keep(c.outcome, message, length);
    }

    pub fn log(level: i32, message: [*]const u8, length: usize) void {
        const c = in_progress orelse return;
        const line: Line = .{ .level = @enumFromInt(level), .message = keep(c.outcome, message, length) };
        c.outcome.log.append(c.outcome.arena.allocator(), line) catch @panic("out of memory");
    }

    pub fn progress(done: i64, total: i64, message: [*]const u8, length: usize) void {
        const c = in_progress orelse return;
        const step: Step = .{ .done = @intCast(@max(0, done)), .total = @intCast(@max(0, total)), .message = keep(c.outcome, message, length) };
        c.outcome.progress.append(c.outcome.arena.allocator(), step) catch @panic("out of memory");
    }

    pub fn config_get(key: [*]const u8, key_length: usize, to: [*]u8, capacity: usize) i32 {
        const c = in_progress orelse return -1;
        for (c.host.config) |setting| {
            if (std.mem.eql(u8, setting[0], key[0..key_length])) return whole(setting[1], to, capacity);
        }
        return -1;
    }

    pub fn call_get(key: [*]const u8, key_length: usize, to: [*]u8, capacity: usize) i32 {
        const c = in_progress orelse return -1;
        var buffer: [32]u8 = undefined;
        const asked = key[0..key_length];
        const value = if (std.mem.eql(u8, asked, "request_id"))
            c.host.request_id
        else if (std.mem.eql(u8, asked, "function"))
            c.host.function
        else if (std.mem.eql(u8, asked, "plugin"))
            c.host.plugin
        else if (std.mem.eql(u8, asked, "version"))
            if (c.host.version) |number| std.fmt.bufPrint(&buffer, "{d}", .{number}) catch unreachable else null
        else if (std.mem.eql(u8, asked, "deadline"))
            if (c.host.deadline) |at| formatTime(&buffer, at) else null
        else
            null;
        return whole(value orelse return -1, to, capacity);
    }

    pub fn random_get(to: [*]u8, length: usize) i32 {
        std.testing.io.random(to[0..length]);
        return 0;
    }

    fn whole(value: []const u8, to: [*]u8, capacity: usize) i32 {
        _ = copy(value, to, capacity);
        return @intCast(value.len);
    }

    fn copy(from: []const u8, to: [*]u8, capacity: usize) i32 {
        const length = @min(from.len, capacity);
        @memcpy(to[0..length], from[0..length]);
        return @intCast(length);
    }
};

/// Writes a time, in milliseconds since 1970, as the server does: 2026-03-01T12:00:00.000Z.
fn formatTime(buffer: *[32]u8, milliseconds: u64) []const u8 {
    const since: std.time.epoch.EpochSeconds = .{ .secs = milliseconds / 1_000 };
    const year = since.getEpochDay().calculateYearDay();
    const month = year.calculateMonthDay();
    const time = since.getDaySeconds();
    return std.fmt.bufPrint(buffer, "{d:0>4}-{d:0>2}-{d:0>2}T{d:0>2}:{d:0>2}:{d:0>2}.{d:0>3}Z", .{
        year.year,               month.month.numeric(),      month.day_index + 1,         time.getHoursIntoDay(),
        time.getMinutesIntoHour(), time.getSecondsIntoMinute(), milliseconds % 1_000,
    }) catch @panic("a deadline after the year 9999");
}
