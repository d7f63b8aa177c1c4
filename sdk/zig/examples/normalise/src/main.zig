//! Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one common
//! shape, whichever exchange it came from.
//!
//! The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for each event
//! in it: trade, ticker, book, candle or status; event.zig has their fields. A message that is not understood
//! fails with what was expected and where.

const std = @import("std");
const prism = @import("prism");
const binance = @import("binance.zig");
const deribit = @import("deribit.zig");
const json = @import("json.zig");
const node = @import("node.zig");
const okx = @import("okx.zig");
const Events = @import("event.zig").Events;

comptime {
    prism.plugin(.{ .handlers = .{ .handle = normalise } });
}

pub const panic = prism.panic;

pub fn normalise(allocator: std.mem.Allocator, input: []const u8) ![]const u8 {
    var message: node.Message = .{ .allocator = allocator, .document = try json.scan(allocator, input) };
    var events: Events = .{ .allocator = allocator };
    try events.out.ensureTotalCapacity(allocator, input.len + 256);
    var top = message.top();
    try read(&top, &events);
    return events.out.items;
}

/// Finds the exchange by the fields only its messages have.
fn read(top: *node.Node, events: *Events) !void {
    if (top.has("jsonrpc")) return deribit.read(top, events);
    if (top.has("arg") or top.has("event")) return okx.read(top, events);
    if (top.has("stream") or top.has("e") or top.has("result") or top.has("error") or binance.isBookTicker(top)) {
        return binance.read(top, events);
    }
    return prism.fail("unknown message: no \"stream\", \"arg\" or \"jsonrpc\" field", .{});
}
