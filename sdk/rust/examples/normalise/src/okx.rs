//! OKX's public web socket channels: <https://www.okx.com/docs-v5/en/#public-data-websocket>

use crate::event::{Book, Candle, Events, Head, Level, Status, Ticker, Trade};
use crate::json::{cut_prefix, equal};
use crate::node::{Node, Result, Text, NEXT};

pub fn read(top: &Node, events: &mut Events) -> Result<()> {
    top.is("okx");
    if top.has("event") {
        return event(top, events);
    }
    let arg = top.object("arg")?;
    let channel = arg.string("channel")?.unwrap_or_default();
    if let Some(interval) = cut_prefix(&channel, "candle").filter(|interval| !interval.is_empty()) {
        return candles(top, &arg, interval, events);
    }
    let is = |word: &str| equal(&channel, word);
    if is("trades") {
        trades(top, events)
    } else if is("tickers") {
        tickers(top, events)
    } else if is("books") || is("books-l2-tbt") || is("books50-l2-tbt") {
        books(top, &arg, top, events)
    } else if is("books5") || is("bbo-tbt") {
        books(top, &arg, &top.if_sent(), events)
    } else {
        top.unknown("channel", &channel)
    }
}

fn head<'t>(symbol: Text<'t>, time: Text<'t>) -> Head<'t> {
    Head { exchange: "okx", symbol, time }
}

/// Reads the answer to a request.
fn event(top: &Node, events: &mut Events) -> Result<()> {
    let event = top.string("event")?.unwrap_or_default();
    let known = ["subscribe", "unsubscribe", "error"];
    let event = match known.iter().find(|word| equal(&event, word)) {
        Some(word) => word,
        None => return top.unknown("event", &event),
    };
    top.is("okx event");
    let (mut symbol, mut channel) = (None, None);
    if *event != "error" || top.has("arg") {
        let arg = top.object("arg")?;
        symbol = arg.if_sent().string("instId")?; // a channel may be about a kind of instrument
        channel = arg.string("channel")?;
    }
    let sent = top.if_sent();
    events.status(&Status {
        head: head(symbol, None),
        event,
        channel,
        code: sent.string("code")?,
        message: sent.string("msg")?,
        ..Status::default()
    })
}

fn trades(top: &Node, events: &mut Events) -> Result<()> {
    top.is("okx trades");
    let data = top.entries()?;
    while data.more() {
        let o = data.object(NEXT)?;
        events.trade(&Trade {
            head: head(o.string("instId")?, o.digits("ts")?),
            id: o.string("tradeId")?,
            price: o.decimal("px")?,
            size: o.decimal("sz")?,
            side: o.one_of("side", &["buy", "sell"])?,
        });
    }
    Ok(())
}

fn tickers(top: &Node, events: &mut Events) -> Result<()> {
    top.is("okx tickers");
    let data = top.entries()?;
    while data.more() {
        let o = data.object(NEXT)?;
        let nullable = o.or_null();
        events.ticker(&Ticker {
            head: head(o.string("instId")?, o.digits("ts")?),
            bid: nullable.decimal("bidPx")?,
            bid_size: nullable.decimal("bidSz")?,
            ask: nullable.decimal("askPx")?,
            ask_size: nullable.decimal("askSz")?,
            last: nullable.decimal("last")?,
            last_size: nullable.decimal("lastSz")?,
            open: nullable.decimal("open24h")?,
            high: nullable.decimal("high24h")?,
            low: nullable.decimal("low24h")?,
            volume: nullable.decimal("vol24h")?,
            ..Ticker::default()
        });
    }
    Ok(())
}

/// Reads an order book. A channel that sends the whole book each time need not name the action.
fn books(top: &Node, arg: &Node, action_of: &Node, events: &mut Events) -> Result<()> {
    top.is("okx books");
    let symbol = arg.string("instId")?;
    let action = match action_of.one_of("action", &["snapshot", "update"])?.as_deref() {
        Some("update") => "update",
        _ => "snapshot",
    };
    let data = top.entries()?;
    while data.more() {
        let o = data.object(NEXT)?;
        let sent = o.if_sent();
        events.book(&Book {
            head: head(symbol.clone(), o.digits("ts")?),
            action,
            first_seq: sent.integer("prevSeqId")?,
            last_seq: sent.integer("seqId")?,
            bids: o.array("bids")?,
            asks: o.array("asks")?,
            level: Level::Sized,
        })?;
    }
    Ok(())
}

/// Reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
fn candles(top: &Node, arg: &Node, interval: &str, events: &mut Events) -> Result<()> {
    top.is("okx candle");
    let symbol = arg.string("instId")?;
    let data = top.entries()?;
    while data.more() {
        let row = data.array(NEXT)?;
        events.candle(&Candle {
            head: head(symbol.clone(), None),
            interval: Some(interval.into()),
            open_time: row.digits(NEXT)?,
            close_time: None,
            open: row.decimal(NEXT)?,
            high: row.decimal(NEXT)?,
            low: row.decimal(NEXT)?,
            close: row.decimal(NEXT)?,
            volume: row.decimal(NEXT)?,
            quote_volume: {
                row.decimal(NEXT)?; // the volume in coins
                row.decimal(NEXT)?
            },
            trades: None,
            closed: row.one_of(NEXT, &["0", "1"])?.as_deref() == Some("1"),
        });
    }
    Ok(())
}
