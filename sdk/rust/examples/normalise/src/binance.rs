//! Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>

use crate::event::{Book, Candle, Events, Head, Level, Status, Ticker, Trade};
use crate::json::{after, equal};
use crate::node::{Node, Result, Text};

pub fn read(top: &Node, events: &mut Events) -> Result<()> {
    top.is("binance");
    if top.has("result") || top.has("error") {
        return answer(top, events);
    }
    if !top.has("stream") {
        return event(top, "", events);
    }
    let stream = top.string("stream")?.unwrap_or_default();
    // The path begins anew, so that a failure names a field alike in raw and combined streams.
    event(&top.object("data")?.alone(), &stream, events)
}

/// Reads the event of a stream, whose name is "" in raw streams.
fn event(o: &Node, stream: &str, events: &mut Events) -> Result<()> {
    if !o.has("e") {
        // The best bid and offer is the one event of these that does not say what it is.
        if stream.is_empty() || after(stream, '@').map_or(false, |name| equal(name, "bookTicker")) {
            return book_ticker(o, events);
        }
        return o.unknown("stream", stream);
    }
    let event = o.string("e")?.unwrap_or_default();
    let is = |word: &str| equal(&event, word);
    if is("trade") {
        o.is("binance trade");
        trade(o, "t", events)
    } else if is("aggTrade") {
        o.is("binance aggTrade");
        trade(o, "a", events)
    } else if is("bookTicker") {
        book_ticker(o, events)
    } else if is("24hrTicker") {
        day_ticker(o, events)
    } else if is("depthUpdate") {
        depth_update(o, events)
    } else if is("kline") {
        kline(o, events)
    } else {
        o.unknown("event", &event)
    }
}

fn head<'t>(symbol: Text<'t>, time: Text<'t>) -> Head<'t> {
    Head { exchange: "binance", symbol, time }
}

fn trade(o: &Node, id: &str, events: &mut Events) -> Result<()> {
    events.trade(&Trade {
        head: head(o.string("s")?, o.integer("T")?),
        id: o.integer(id)?,
        price: o.decimal("p")?,
        size: o.decimal("q")?,
        // Otherwise the buyer's order was in the book.
        side: Some(if o.bool("m")? { "sell" } else { "buy" }.into()),
    });
    Ok(())
}

/// Whether a raw message has the shape of the best bid and offer.
pub fn is_book_ticker(o: &Node) -> bool {
    ["s", "b", "B", "a", "A"].iter().all(|key| o.has(key))
}

fn book_ticker(o: &Node, events: &mut Events) -> Result<()> {
    o.is("binance bookTicker");
    events.ticker(&Ticker {
        head: head(o.string("s")?, o.if_sent().integer("E")?), // futures send the time
        bid: o.decimal("b")?,
        bid_size: o.decimal("B")?,
        ask: o.decimal("a")?,
        ask_size: o.decimal("A")?,
        ..Ticker::default()
    });
    Ok(())
}

fn day_ticker(o: &Node, events: &mut Events) -> Result<()> {
    o.is("binance 24hrTicker");
    events.ticker(&Ticker {
        head: head(o.string("s")?, o.integer("E")?),
        bid: o.decimal("b")?,
        bid_size: o.decimal("B")?,
        ask: o.decimal("a")?,
        ask_size: o.decimal("A")?,
        last: o.decimal("c")?,
        last_size: o.decimal("Q")?,
        open: o.decimal("o")?,
        high: o.decimal("h")?,
        low: o.decimal("l")?,
        volume: o.decimal("v")?,
        ..Ticker::default()
    });
    Ok(())
}

fn depth_update(o: &Node, events: &mut Events) -> Result<()> {
    o.is("binance depthUpdate");
    events.book(&Book {
        head: head(o.string("s")?, o.integer("E")?),
        action: "update",
        first_seq: o.integer("U")?,
        last_seq: o.integer("u")?,
        bids: o.array("b")?,
        asks: o.array("a")?,
        level: Level::Sized,
    })
}

fn kline(o: &Node, events: &mut Events) -> Result<()> {
    o.is("binance kline");
    let head = head(o.string("s")?, o.integer("E")?);
    let k = o.object("k")?;
    events.candle(&Candle {
        head,
        interval: k.string("i")?,
        open_time: k.integer("t")?,
        close_time: k.integer("T")?,
        open: k.decimal("o")?,
        high: k.decimal("h")?,
        low: k.decimal("l")?,
        close: k.decimal("c")?,
        volume: k.decimal("v")?,
        quote_volume: k.decimal("q")?,
        trades: k.integer("n")?,
        closed: k.bool("x")?,
    });
    Ok(())
}

/// Reads the answer to a request: {"result":null,"id":1} when it was granted.
fn answer(top: &Node, events: &mut Events) -> Result<()> {
    top.is("binance answer");
    if !top.has("error") {
        let result = top.raw("result")?.unwrap_or_default();
        if result != "null" {
            return top.wrong("result", "null", result);
        }
        return events.status(&Status { head: head(None, None), event: "subscribe", ..Status::default() });
    }
    let refusal = top.object("error")?;
    events.status(&Status {
        head: head(None, None),
        event: "error",
        code: refusal.integer("code")?,
        message: refusal.string("msg")?,
        ..Status::default()
    })
}
