//! The events. Text fields hold what a node's reader returned, and `None` becomes null. Prices, sizes and volumes
//! are the exchange's decimals, to the digit; times are milliseconds since 1970 in UTC.

use crate::decimal::is_zero;
use crate::node::{Node, Result, Text, NEXT};

/// What every event begins with.
#[derive(Default)]
pub struct Head<'t> {
    pub exchange: &'static str,
    /// `None` for a status that is about no single symbol.
    pub symbol: Text<'t>,
    /// `None` when the exchange sent none.
    pub time: Text<'t>,
}

/// One execution, or several of one order that the exchange added up.
pub struct Trade<'t> {
    pub head: Head<'t>,
    pub id: Text<'t>,
    pub price: Text<'t>,
    pub size: Text<'t>,
    /// buy or sell: what the order that met the book did.
    pub side: Text<'t>,
}

/// The best bid and offer, or the summary of a day.
#[derive(Default)]
pub struct Ticker<'t> {
    pub head: Head<'t>,
    pub bid: Text<'t>,
    pub bid_size: Text<'t>,
    pub ask: Text<'t>,
    pub ask_size: Text<'t>,
    pub last: Text<'t>,
    pub last_size: Text<'t>,
    /// These four are of the last 24 hours.
    pub open: Text<'t>,
    pub high: Text<'t>,
    pub low: Text<'t>,
    pub volume: Text<'t>,
    /// These three are of derivatives.
    pub mark: Text<'t>,
    pub index: Text<'t>,
    pub open_interest: Text<'t>,
}

/// The order book or a change to it. A level of size zero is gone from the book.
pub struct Book<'t, 'm> {
    pub head: Head<'t>,
    /// snapshot or update.
    pub action: &'static str,
    /// The exchange's sequence numbers: an update follows on the first.
    pub first_seq: Text<'t>,
    pub last_seq: Text<'t>,
    pub bids: Node<'t, 'm>,
    pub asks: Node<'t, 'm>,
    pub level: Level,
}

/// How an exchange writes a price level.
#[derive(Clone, Copy)]
pub enum Level {
    /// ["price","size",...]
    Sized,
    /// ["new",price,size], where new may be change or delete
    Stated,
}

/// The trading of one interval.
pub struct Candle<'t> {
    pub head: Head<'t>,
    pub interval: Text<'t>,
    pub open_time: Text<'t>,
    pub close_time: Text<'t>,
    pub open: Text<'t>,
    pub high: Text<'t>,
    pub low: Text<'t>,
    pub close: Text<'t>,
    pub volume: Text<'t>,
    pub quote_volume: Text<'t>,
    /// How many.
    pub trades: Text<'t>,
    /// The interval is over.
    pub closed: bool,
}

/// The exchange's answer to a request.
#[derive(Default)]
pub struct Status<'t, 'm> {
    pub head: Head<'t>,
    /// subscribe, unsubscribe or error.
    pub event: &'static str,
    /// What it is about: one channel, or an array of them, or none.
    pub channel: Text<'t>,
    pub channels: Option<Node<'t, 'm>>,
    /// Of an error.
    pub code: Text<'t>,
    pub message: Text<'t>,
}

/// The events of a message, as they are written.
pub struct Events {
    out: Vec<u8>,
}

impl Events {
    pub fn with_capacity(bytes: usize) -> Events {
        Events { out: Vec::with_capacity(bytes) }
    }

    /// One JSON object a line.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub fn trade(&mut self, e: &Trade) {
        self.begin(&e.head, "trade");
        self.quoted("id", &e.id);
        self.quoted("price", &e.price);
        self.quoted("size", &e.size);
        self.quoted("side", &e.side);
        self.end();
    }

    pub fn ticker(&mut self, e: &Ticker) {
        self.begin(&e.head, "ticker");
        self.quoted("bid", &e.bid);
        self.quoted("bid_size", &e.bid_size);
        self.quoted("ask", &e.ask);
        self.quoted("ask_size", &e.ask_size);
        self.quoted("last", &e.last);
        self.quoted("last_size", &e.last_size);
        self.quoted("open_24h", &e.open);
        self.quoted("high_24h", &e.high);
        self.quoted("low_24h", &e.low);
        self.quoted("volume_24h", &e.volume);
        self.quoted("mark", &e.mark);
        self.quoted("index", &e.index);
        self.quoted("open_interest", &e.open_interest);
        self.end();
    }

    pub fn book(&mut self, e: &Book) -> Result<()> {
        self.begin(&e.head, "book");
        self.key("action");
        self.value(e.action);
        self.plain("first_seq", &e.first_seq);
        self.plain("last_seq", &e.last_seq);
        self.levels("bids", &e.bids, e.level)?;
        self.levels("asks", &e.asks, e.level)?;
        self.end();
        Ok(())
    }

    pub fn candle(&mut self, e: &Candle) {
        self.begin(&e.head, "candle");
        self.quoted("interval", &e.interval);
        self.plain("open_ms", &e.open_time);
        self.plain("close_ms", &e.close_time);
        self.quoted("open", &e.open);
        self.quoted("high", &e.high);
        self.quoted("low", &e.low);
        self.quoted("close", &e.close);
        self.quoted("volume", &e.volume);
        self.quoted("quote_volume", &e.quote_volume);
        self.plain("trades", &e.trades);
        self.key("closed");
        self.put(if e.closed { "true" } else { "false" });
        self.end();
    }

    pub fn status(&mut self, e: &Status) -> Result<()> {
        self.begin(&e.head, "status");
        self.key("event");
        self.value(e.event);
        self.key("channels");
        self.channels(e.channel.as_deref(), e.channels.as_ref())?;
        self.quoted("code", &e.code);
        self.quoted("message", &e.message);
        self.end();
        Ok(())
    }

    fn levels(&mut self, key: &str, side: &Node, layout: Level) -> Result<()> {
        self.key(key);
        self.put("[");
        let mut first = true;
        while side.more() {
            let level = side.array(NEXT)?;
            let (price, size) = price_and_size(&level, layout)?;
            self.put(if first { "[\"" } else { ",[\"" });
            self.put(price.as_deref().unwrap_or(""));
            self.put("\",\"");
            self.put(size.as_deref().unwrap_or(""));
            self.put("\"]");
            first = false;
        }
        self.put("]");
        Ok(())
    }

    /// Writes one channel, when there is one, and then those of an array.
    fn channels(&mut self, one: Option<&str>, many: Option<&Node>) -> Result<()> {
        self.put("[");
        if let Some(one) = one {
            self.value(one);
        }
        if let Some(many) = many {
            let mut first = true;
            while many.more() {
                let channel = many.string(NEXT)?;
                if !first {
                    self.put(",");
                }
                self.value(channel.as_deref().unwrap_or(""));
                first = false;
            }
        }
        self.put("]");
        Ok(())
    }

    fn begin(&mut self, head: &Head, kind: &str) {
        self.put("{\"exchange\":");
        self.value(head.exchange);
        self.key("type");
        self.value(kind);
        self.quoted("symbol", &head.symbol);
        self.plain("ts_ms", &head.time);
    }

    fn end(&mut self) {
        self.put("}\n");
    }

    /// Writes a member whose value is a string.
    fn quoted(&mut self, key: &str, text: &Text) {
        self.key(key);
        match text {
            Some(text) => self.value(text),
            None => self.put("null"),
        }
    }

    /// Writes a member whose value is a number.
    fn plain(&mut self, key: &str, text: &Text) {
        self.key(key);
        self.put(text.as_deref().unwrap_or("null"));
    }

    fn key(&mut self, key: &str) {
        self.put(",");
        self.value(key);
        self.put(":");
    }

    /// Writes a string.
    fn value(&mut self, text: &str) {
        self.put("\"");
        self.put(text);
        self.put("\"");
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Reads a price level.
fn price_and_size<'t>(level: &Node<'t, '_>, layout: Level) -> Result<(Text<'t>, Text<'t>)> {
    match layout {
        Level::Sized => Ok((level.decimal(NEXT)?, level.decimal(NEXT)?)),
        Level::Stated => {
            let state = level.one_of(NEXT, &["new", "change", "delete"])?;
            let (price, size) = (level.number(NEXT)?, level.number(NEXT)?);
            // What was deleted has size 0, which is how the events say so.
            match &size {
                Some(text) if state.as_deref() == Some("delete") && !is_zero(text) => {
                    level.wrong(NEXT, "0 in a level that is deleted", text)
                }
                _ => Ok((price, size)),
            }
        }
    }
}
