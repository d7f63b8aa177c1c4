const std = @import("std");
const prism = @import("prism.zig");
const Allocator = std.mem.Allocator;

/// A handler that takes and returns JSON, made of a function on values:
///
///     fn cost(_: std.mem.Allocator, order: Order) !Cost
///
///     comptime {
///         prism.plugin(.{ .handlers = .{ .handle = prism.json(cost) } });
///     }
///
/// Members the type has no field for are passed over. An input that is not what the function takes fails with what is
/// wrong, and at which line and column.
pub fn json(comptime function: anytype) prism.Handler {
    const Input = @typeInfo(@TypeOf(function)).@"fn".param_types[1].?;
    return struct {
        fn handle(allocator: Allocator, input: []const u8) anyerror![]const u8 {
            var place: std.json.Diagnostics = .{};
            var scanner: std.json.Scanner = .initCompleteInput(allocator, input);
            defer scanner.deinit();
            scanner.enableDiagnostics(&place);
            const value = std.json.parseFromTokenSourceLeaky(Input, allocator, &scanner, .{ .ignore_unknown_fields = true }) catch |wrong| {
                if (wrong == error.OutOfMemory) return wrong;
                return prism.fail("the input is not as expected: {s} at line {d} column {d}", .{ @errorName(wrong), place.getLine(), place.getColumn() });
            };
            return std.json.Stringify.valueAlloc(allocator, try function(allocator, value), .{});
        }
    }.handle;
}
