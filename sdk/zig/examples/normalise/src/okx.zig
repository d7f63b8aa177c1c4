//! OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket

const std = @import("std");
const Events = @import("event.zig").Events;
const Status = @import("event.zig").Status;
const Error = @import("node.zig").Error;
const Node = @import("node.zig").Node;
const next = @import("node.zig").next;
const json = @import("json.zig");

pub fn read(top: *Node, events: *Events) Error!void {
    top.is("okx");
    if (top.has("event")) return event(top, events);
    var arg = try top.object("arg");
    const channel = (try arg.string("channel")).?;
    if (json.cutPrefix(channel, "candle")) |interval| {
        if (interval.len > 0) return candles(top, &arg, interval, events);
    }
    if (json.equal(channel, "trades")) return trades(top, events);
    if (json.equal(channel, "tickers")) return tickers(top, events);
    inline for (.{ "books", "books-l2-tbt", "books50-l2-tbt" }) |name| {
        if (json.equal(channel, name)) return books(top, &arg, top, events);
    }
    var sent = top.ifSent();
    inline for (.{ "books5", "bbo-tbt" }) |name| {
        if (json.equal(channel, name)) return books(top, &arg, &sent, events);
    }
    return top.unknown("channel", channel);
}

/// Reads the answer to a request.
fn event(top: *Node, events: *Events) Error!void {
    const name = (try top.string("event")).?;
    var status: Status = .{ .head = .{ .exchange = "okx" }, .event = undefined };
    if (json.equal(name, "subscribe")) {
        status.event = .subscribe;
    } else if (json.equal(name, "unsubscribe")) {
        status.event = .unsubscribe;
    } else if (json.equal(name, "error")) {
        status.event = .@"error";
    } else return top.unknown("event", name);
    top.is("okx event");
    if (status.event != .@"error" or top.has("arg")) {
        var arg = try top.object("arg");
        var sent = arg.ifSent();
        status.head.symbol = try sent.string("instId"); // a channel may be about a kind of instrument
        status.channel = try arg.string("channel");
    }
    var sent = top.ifSent();
    status.code = try sent.string("code");
    status.message = try sent.string("msg");
    try events.status(status);
}

fn trades(top: *Node, events: *Events) Error!void {
    top.is("okx trades");
    var data = try top.entries();
    while (data.more()) {
        var o = try data.object(next);
        try events.trade(.{
            .head = .{ .exchange = "okx", .symbol = try o.string("instId"), .time = try o.digits("ts") },
            .id = try o.string("tradeId"),
            .price = try o.decimal("px"),
            .size = try o.decimal("sz"),
            .side = try o.oneOf("side", &.{ "buy", "sell" }),
        });
    }
}

fn tickers(top: *Node, events: *Events) Error!void {
    top.is("okx tickers");
    var data = try top.entries();
    while (data.more()) {
        var o = try data.object(next);
        var nullable = o.orNull();
        try events.ticker(.{
            .head = .{ .exchange = "okx", .symbol = try o.string("instId"), .time = try o.digits("ts") },
            .bid = try nullable.decimal("bidPx"),
            .bid_size = try nullable.decimal("bidSz"),
            .ask = try nullable.decimal("askPx"),
            .ask_size = try nullable.decimal("askSz"),
            .last = try nullable.decimal("last"),
            .last_size = try nullable.decimal("lastSz"),
            .open_24h = try nullable.decimal("open24h"),
            .high_24h = try nullable.decimal("high24h"),
            .low_24h = try nullable.decimal("low24h"),
            .volume_24h = try nullable.decimal("vol24h"),
        });
    }
}

/// Reads an order book. A channel that sends the whole book each time need not name the action.
fn books(top: *Node, arg: *Node, action_of: *Node, events: *Events) Error!void {
    top.is("okx books");
    const symbol = try arg.string("instId");
    const action = try action_of.oneOf("action", &.{ "snapshot", "update" }) orelse "snapshot";
    var data = try top.entries();
    while (data.more()) {
        var o = try data.object(next);
        var sent = o.ifSent();
        try events.book(.{
            .head = .{ .exchange = "okx", .symbol = symbol, .time = try o.digits("ts") },
            .action = if (std.mem.eql(u8, action, "update")) .update else .snapshot,
            .first_seq = try sent.integer("prevSeqId"),
            .last_seq = try sent.integer("seqId"),
            .bids = try o.array("bids"),
            .asks = try o.array("asks"),
            .level = .sized,
        });
    }
}

/// Reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
fn candles(top: *Node, arg: *Node, interval: []const u8, events: *Events) Error!void {
    top.is("okx candle");
    const symbol = try arg.string("instId");
    var data = try top.entries();
    while (data.more()) {
        var row = try data.array(next);
        const open_ms = try row.digits(next);
        var numbers: [7][]const u8 = undefined;
        for (&numbers) |*number| number.* = (try row.decimal(next)).?;
        const over = (try row.oneOf(next, &.{ "0", "1" })).?;
        try events.candle(.{
            .head = .{ .exchange = "okx", .symbol = symbol },
            .interval = interval,
            .open_ms = open_ms,
            .open = numbers[0],
            .high = numbers[1],
            .low = numbers[2],
            .close = numbers[3],
            .volume = numbers[4],
            .quote_volume = numbers[6],
            .closed = over[0] == '1',
        });
    }
}
