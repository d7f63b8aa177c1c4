//! Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
//! https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

const Events = @import("event.zig").Events;
const Node = @import("node.zig").Node;
const Error = @import("node.zig").Error;
const json = @import("json.zig");

pub fn read(top: *Node, events: *Events) Error!void {
    top.is("binance");
    if (top.has("result") or top.has("error")) return answer(top, events);
    if (!top.has("stream")) return event(top, "", events);
    const stream = (try top.string("stream")).?;
    var data = try top.object("data");
    // The path begins anew, so that a failure names a field alike in raw and combined streams.
    data.parent = null;
    return event(&data, stream, events);
}

/// Reads the event of a stream, whose name is "" in raw streams.
fn event(o: *Node, stream: []const u8, events: *Events) Error!void {
    if (!o.has("e")) {
        // The best bid and offer is the one event of these that does not say what it is.
        if (stream.len == 0 or json.equal(json.after(stream, '@') orelse "", "bookTicker")) return bookTicker(o, events);
        return o.unknown("stream", stream);
    }
    const name = (try o.string("e")).?;
    if (json.equal(name, "trade")) {
        o.is("binance trade");
        return trade(o, "t", events);
    }
    if (json.equal(name, "aggTrade")) {
        o.is("binance aggTrade");
        return trade(o, "a", events);
    }
    if (json.equal(name, "bookTicker")) return bookTicker(o, events);
    if (json.equal(name, "24hrTicker")) return dayTicker(o, events);
    if (json.equal(name, "depthUpdate")) return depthUpdate(o, events);
    if (json.equal(name, "kline")) return kline(o, events);
    return o.unknown("event", name);
}

fn trade(o: *Node, id: []const u8, events: *Events) Error!void {
    try events.trade(.{
        .head = .{ .exchange = "binance", .symbol = try o.string("s"), .time = try o.integer("T") },
        .id = try o.integer(id),
        .price = try o.decimal("p"),
        .size = try o.decimal("q"),
        // Otherwise the buyer's order was in the book.
        .side = if (try o.boolean("m")) "sell" else "buy",
    });
}

/// Whether a raw message has the shape of the best bid and offer.
pub fn isBookTicker(o: *Node) bool {
    return o.has("s") and o.has("b") and o.has("B") and o.has("a") and o.has("A");
}

fn bookTicker(o: *Node, events: *Events) Error!void {
    o.is("binance bookTicker");
    var sent = o.ifSent();
    try events.ticker(.{
        .head = .{ .exchange = "binance", .symbol = try o.string("s"), .time = try sent.integer("E") }, // futures send the time
        .bid = try o.decimal("b"),
        .bid_size = try o.decimal("B"),
        .ask = try o.decimal("a"),
        .ask_size = try o.decimal("A"),
    });
}

fn dayTicker(o: *Node, events: *Events) Error!void {
    o.is("binance 24hrTicker");
    try events.ticker(.{
        .head = .{ .exchange = "binance", .symbol = try o.string("s"), .time = try o.integer("E") },
        .bid = try o.decimal("b"),
        .bid_size = try o.decimal("B"),
        .ask = try o.decimal("a"),
        .ask_size = try o.decimal("A"),
        .last = try o.decimal("c"),
        .last_size = try o.decimal("Q"),
        .open_24h = try o.decimal("o"),
        .high_24h = try o.decimal("h"),
        .low_24h = try o.decimal("l"),
        .volume_24h = try o.decimal("v"),
    });
}

fn depthUpdate(o: *Node, events: *Events) Error!void {
    o.is("binance depthUpdate");
    try events.book(.{
        .head = .{ .exchange = "binance", .symbol = try o.string("s"), .time = try o.integer("E") },
        .action = .update,
        .first_seq = try o.integer("U"),
        .last_seq = try o.integer("u"),
        .bids = try o.array("b"),
        .asks = try o.array("a"),
        .level = .sized,
    });
}

fn kline(o: *Node, events: *Events) Error!void {
    o.is("binance kline");
    const symbol, const time = .{ try o.string("s"), try o.integer("E") };
    var k = try o.object("k");
    try events.candle(.{
        .head = .{ .exchange = "binance", .symbol = symbol, .time = time },
        .interval = try k.string("i"),
        .open_ms = try k.integer("t"),
        .close_ms = try k.integer("T"),
        .open = try k.decimal("o"),
        .high = try k.decimal("h"),
        .low = try k.decimal("l"),
        .close = try k.decimal("c"),
        .volume = try k.decimal("v"),
        .quote_volume = try k.decimal("q"),
        .trades = try k.integer("n"),
        .closed = try k.boolean("x"),
    });
}

/// Reads the answer to a request: {"result":null,"id":1} when it was granted.
fn answer(top: *Node, events: *Events) Error!void {
    top.is("binance answer");
    if (top.has("error")) {
        var refusal = try top.object("error");
        return events.status(.{
            .head = .{ .exchange = "binance" },
            .event = .@"error",
            .code = try refusal.integer("code"),
            .message = try refusal.string("msg"),
        });
    }
    const result = (try top.raw("result")).?;
    if (!json.equal(result, "null")) return top.wrong("result", "null", result);
    return events.status(.{ .head = .{ .exchange = "binance" }, .event = .subscribe });
}
