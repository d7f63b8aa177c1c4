//! The events. Text fields hold what a node's reader returned, and null becomes null. Prices, sizes and volumes are
//! the exchange's decimals, to the digit; times are milliseconds since 1970 in UTC.

const std = @import("std");
const isZero = @import("decimal.zig").isZero;
const node = @import("node.zig");
const Node = node.Node;
const Text = node.Text;

/// What every event begins with.
pub const Head = struct {
    exchange: []const u8,
    /// null for a status that is about no single symbol.
    symbol: Text = null,
    /// null when the exchange sent none.
    time: Text = null,
};

/// One execution, or several of one order that the exchange added up.
pub const Trade = struct {
    head: Head,
    id: Text,
    price: Text,
    size: Text,
    /// buy or sell: what the order that met the book did.
    side: Text,
};

/// The best bid and offer, or the summary of a day.
pub const Ticker = struct {
    head: Head,
    bid: Text,
    bid_size: Text,
    ask: Text,
    ask_size: Text,
    last: Text = null,
    last_size: Text = null,
    open_24h: Text = null,
    high_24h: Text = null,
    low_24h: Text = null,
    volume_24h: Text = null,
    /// These three are of derivatives.
    mark: Text = null,
    index: Text = null,
    open_interest: Text = null,
};

/// The order book or a change to it. A level of size zero is gone from the book.
pub const Book = struct {
    head: Head,
    action: enum { snapshot, update },
    /// The exchange's sequence numbers: an update follows on the first.
    first_seq: Text = null,
    last_seq: Text,
    bids: Node,
    asks: Node,
    level: Level,
};

/// How an exchange writes a price level.
pub const Level = enum {
    /// ["price","size",...]
    sized,
    /// ["new",price,size], where new may be change or delete
    stated,
};

/// The trading of one interval.
pub const Candle = struct {
    head: Head,
    interval: Text,
    open_ms: Text,
    close_ms: Text = null,
    open: Text,
    high: Text,
    low: Text,
    close: Text,
    volume: Text,
    quote_volume: Text,
    /// How many.
    trades: Text = null,
    /// The interval is over.
    closed: bool,
};

/// The exchange's answer to a request.
pub const Status = struct {
    head: Head,
    event: enum { subscribe, unsubscribe, @"error" },
    /// What it is about: one channel, or an array of them, or none.
    channel: Text = null,
    channels: ?Node = null,
    /// Of an error.
    code: Text = null,
    message: Text = null,
};

/// The events of a message, as they are written: one JSON object a line.
pub const Events = struct {
    allocator: std.mem.Allocator,
    out: std.ArrayList(u8) = .empty,

    pub fn trade(e: *Events, t: Trade) !void {
        try e.begin(t.head, "trade");
        inline for (.{ "id", "price", "size", "side" }) |field| try e.quoted(field, @field(t, field));
        try e.put("}\n");
    }

    pub fn ticker(e: *Events, t: Ticker) !void {
        try e.begin(t.head, "ticker");
        inline for (.{
            "bid",      "bid_size", "ask",     "ask_size",   "last", "last_size",
            "open_24h", "high_24h", "low_24h", "volume_24h", "mark", "index",
            "open_interest",
        }) |field| try e.quoted(field, @field(t, field));
        try e.put("}\n");
    }

    pub fn book(e: *Events, b: Book) !void {
        try e.begin(b.head, "book");
        try e.quoted("action", @tagName(b.action));
        try e.plain("first_seq", b.first_seq);
        try e.plain("last_seq", b.last_seq);
        var bids, var asks = .{ b.bids, b.asks };
        try e.levels("bids", &bids, b.level);
        try e.levels("asks", &asks, b.level);
        try e.put("}\n");
    }

    pub fn candle(e: *Events, c: Candle) !void {
        try e.begin(c.head, "candle");
        try e.quoted("interval", c.interval);
        inline for (.{ "open_ms", "close_ms" }) |field| try e.plain(field, @field(c, field));
        inline for (.{ "open", "high", "low", "close", "volume", "quote_volume" }) |field| try e.quoted(field, @field(c, field));
        try e.plain("trades", c.trades);
        try e.plain("closed", if (c.closed) "true" else "false");
        try e.put("}\n");
    }

    pub fn status(e: *Events, s: Status) !void {
        try e.begin(s.head, "status");
        try e.quoted("event", @tagName(s.event));
        try e.key("channels");
        try e.put("[");
        if (s.channel) |channel| try e.value(channel);
        if (s.channels) |channels| {
            var many = channels;
            var first = true;
            while (many.more()) : (first = false) {
                if (!first) try e.put(",");
                try e.value(try many.string(node.next) orelse "");
            }
        }
        try e.put("]");
        try e.quoted("code", s.code);
        try e.quoted("message", s.message);
        try e.put("}\n");
    }

    fn levels(e: *Events, name: []const u8, side: *Node, layout: Level) !void {
        try e.key(name);
        try e.put("[");
        var first = true;
        while (side.more()) : (first = false) {
            var level = try side.array(node.next);
            const price, const size = try priceAndSize(&level, layout);
            try e.put(if (first) "[\"" else ",[\"");
            try e.put(price);
            try e.put("\",\"");
            try e.put(size);
            try e.put("\"]");
        }
        try e.put("]");
    }

    fn begin(e: *Events, head: Head, kind: []const u8) !void {
        try e.put("{\"exchange\":");
        try e.value(head.exchange);
        try e.quoted("type", kind);
        try e.quoted("symbol", head.symbol);
        try e.plain("ts_ms", head.time);
    }

    /// Writes a member whose value is a string.
    fn quoted(e: *Events, name: []const u8, text: Text) !void {
        try e.key(name);
        if (text) |t| try e.value(t) else try e.put("null");
    }

    /// Writes a member whose value is a number or a truth value.
    fn plain(e: *Events, name: []const u8, text: Text) !void {
        try e.key(name);
        try e.put(text orelse "null");
    }

    fn key(e: *Events, name: []const u8) !void {
        try e.put(",");
        try e.value(name);
        try e.put(":");
    }

    /// Writes a string.
    fn value(e: *Events, text: []const u8) !void {
        try e.put("\"");
        try e.put(text);
        try e.put("\"");
    }

    fn put(e: *Events, text: []const u8) !void {
        try e.out.appendSlice(e.allocator, text);
    }
};

/// Reads a price level.
fn priceAndSize(level: *Node, layout: Level) !struct { []const u8, []const u8 } {
    if (layout == .sized) {
        const price = (try level.decimal(node.next)).?;
        return .{ price, (try level.decimal(node.next)).? };
    }
    const state = (try level.oneOf(node.next, &.{ "new", "change", "delete" })).?;
    const price = (try level.number(node.next)).?;
    const size = (try level.number(node.next)).?;
    // What was deleted has size 0, which is how the events say so.
    if (std.mem.eql(u8, state, "delete") and !isZero(size)) {
        return level.wrong(node.next, "0 in a level that is deleted", size);
    }
    return .{ price, size };
}
