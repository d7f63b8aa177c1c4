//! Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions

const std = @import("std");
const Book = @import("event.zig").Book;
const Events = @import("event.zig").Events;
const Head = @import("event.zig").Head;
const Error = @import("node.zig").Error;
const Node = @import("node.zig").Node;
const Text = @import("node.zig").Text;
const next = @import("node.zig").next;
const json = @import("json.zig");

pub fn read(top: *Node, events: *Events) Error!void {
    top.is("deribit");
    if (!top.has("method")) return answer(top, events);
    const method = (try top.string("method")).?;
    if (!json.equal(method, "subscription")) return top.unknown("method", method);
    var params = try top.object("params");
    const channel = (try params.string("channel")).?;
    if (json.cutPrefix(channel, "trades.") != null) return trades(&params, events);
    if (json.cutPrefix(channel, "ticker.") != null) return ticker(&params, events);
    if (json.cutPrefix(channel, "book.") != null) return book(&params, events);
    return top.unknown("channel", channel);
}

/// Reads the answer to a subscription, which lists the channels subscribed to.
fn answer(top: *Node, events: *Events) Error!void {
    top.is("deribit answer");
    var sent = top.ifSent();
    const head: Head = .{ .exchange = "deribit", .time = milliseconds(try sent.integer("usOut")) };
    if (top.has("error")) {
        var refusal = try top.object("error");
        return events.status(.{
            .head = head,
            .event = .@"error",
            .code = try refusal.integer("code"),
            .message = try refusal.string("message"),
        });
    }
    return events.status(.{ .head = head, .event = .subscribe, .channels = try top.array("result") });
}

/// Drops the last three digits of a time in microseconds.
pub fn milliseconds(microseconds: Text) Text {
    const text = microseconds orelse return null;
    const kept = text[0 .. text.len -| 3];
    return if (kept.len == 0 or std.mem.eql(u8, kept, "-")) "0" else kept;
}

fn trades(params: *Node, events: *Events) Error!void {
    params.is("deribit trades");
    var data = try params.entries();
    while (data.more()) {
        var o = try data.object(next);
        try events.trade(.{
            .head = .{ .exchange = "deribit", .symbol = try o.string("instrument_name"), .time = try o.integer("timestamp") },
            .id = try o.string("trade_id"),
            .price = try o.number("price"),
            .size = try o.number("amount"),
            .side = try o.oneOf("direction", &.{ "buy", "sell" }),
        });
    }
}

fn ticker(params: *Node, events: *Events) Error!void {
    params.is("deribit ticker");
    var o = try params.object("data");
    const head: Head = .{ .exchange = "deribit", .symbol = try o.string("instrument_name"), .time = try o.integer("timestamp") };
    const stats = try o.object("stats");
    var nullable, var nullable_stats = .{ o.orNull(), stats.orNull() };
    var sent = o.ifSent();
    try events.ticker(.{
        .head = head,
        .bid = try nullable.number("best_bid_price"),
        .bid_size = try nullable.number("best_bid_amount"),
        .ask = try nullable.number("best_ask_price"),
        .ask_size = try nullable.number("best_ask_amount"),
        .last = try nullable.number("last_price"),
        .high_24h = try nullable_stats.number("high"),
        .low_24h = try nullable_stats.number("low"),
        .volume_24h = try nullable_stats.number("volume"),
        .mark = try sent.number("mark_price"), // spot pairs send none of these three
        .index = try sent.number("index_price"),
        .open_interest = try sent.number("open_interest"),
    });
}

fn book(params: *Node, events: *Events) Error!void {
    params.is("deribit book");
    var o = try params.object("data");
    const head: Head = .{ .exchange = "deribit", .symbol = try o.string("instrument_name"), .time = try o.integer("timestamp") };
    const changed = std.mem.eql(u8, (try o.oneOf("type", &.{ "snapshot", "change" })).?, "change");
    const first_seq = if (changed) try o.integer("prev_change_id") else null;
    try events.book(.{
        .head = head,
        .action = if (changed) .update else .snapshot,
        .first_seq = first_seq,
        .last_seq = try o.integer("change_id"),
        .bids = try o.array("bids"),
        .asks = try o.array("asks"),
        .level = .stated,
    });
}
