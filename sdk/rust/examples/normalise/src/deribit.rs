//! Deribit's JSON-RPC subscriptions: <https://docs.deribit.com/#subscriptions>

use crate::event::{Book, Events, Head, Level, Status, Ticker, Trade};
use crate::json::{cut_prefix, equal};
use crate::node::{Node, Result, Text, NEXT};

pub fn read(top: &Node, events: &mut Events) -> Result<()> {
    top.is("deribit");
    if !top.has("method") {
        return answer(top, events);
    }
    let method = top.string("method")?.unwrap_or_default();
    if !equal(&method, "subscription") {
        return top.unknown("method", &method);
    }
    let params = top.object("params")?;
    let channel = params.string("channel")?.unwrap_or_default();
    let begins_with = |prefix: &str| cut_prefix(&channel, prefix).is_some();
    if begins_with("trades.") {
        trades(&params, events)
    } else if begins_with("ticker.") {
        ticker(&params, events)
    } else if begins_with("book.") {
        book(&params, events)
    } else {
        top.unknown("channel", &channel)
    }
}

fn head<'t>(symbol: Text<'t>, time: Text<'t>) -> Head<'t> {
    Head { exchange: "deribit", symbol, time }
}

/// Reads the answer to a subscription, which lists the channels subscribed to.
fn answer(top: &Node, events: &mut Events) -> Result<()> {
    top.is("deribit answer");
    let head = head(None, milliseconds(top.if_sent().integer("usOut")?));
    if top.has("error") {
        let refusal = top.object("error")?;
        return events.status(&Status {
            head,
            event: "error",
            code: refusal.integer("code")?,
            message: refusal.string("message")?,
            ..Status::default()
        });
    }
    events.status(&Status { head, event: "subscribe", channels: Some(top.array("result")?), ..Status::default() })
}

/// Drops the last three digits of a time in microseconds.
pub fn milliseconds(microseconds: Text) -> Text {
    microseconds.map(|mut text| {
        let kept = text.len().saturating_sub(3);
        match &text[..kept] {
            "" | "-" => "0".into(),
            _ => {
                text.to_mut().truncate(kept);
                text
            }
        }
    })
}

fn trades(params: &Node, events: &mut Events) -> Result<()> {
    params.is("deribit trades");
    let data = params.entries()?;
    while data.more() {
        let o = data.object(NEXT)?;
        events.trade(&Trade {
            head: head(o.string("instrument_name")?, o.integer("timestamp")?),
            id: o.string("trade_id")?,
            price: o.number("price")?,
            size: o.number("amount")?,
            side: o.one_of("direction", &["buy", "sell"])?,
        });
    }
    Ok(())
}

fn ticker(params: &Node, events: &mut Events) -> Result<()> {
    params.is("deribit ticker");
    let o = params.object("data")?;
    let head = head(o.string("instrument_name")?, o.integer("timestamp")?);
    let stats = o.object("stats")?;
    let (nullable, nullable_stats) = (o.or_null(), stats.or_null());
    let sent = o.if_sent();
    events.ticker(&Ticker {
        head,
        bid: nullable.number("best_bid_price")?,
        bid_size: nullable.number("best_bid_amount")?,
        ask: nullable.number("best_ask_price")?,
        ask_size: nullable.number("best_ask_amount")?,
        last: nullable.number("last_price")?,
        high: nullable_stats.number("high")?,
        low: nullable_stats.number("low")?,
        volume: nullable_stats.number("volume")?,
        mark: sent.number("mark_price")?, // spot pairs send none of these three
        index: sent.number("index_price")?,
        open_interest: sent.number("open_interest")?,
        ..Ticker::default()
    });
    Ok(())
}

fn book(params: &Node, events: &mut Events) -> Result<()> {
    params.is("deribit book");
    let o = params.object("data")?;
    let head = head(o.string("instrument_name")?, o.integer("timestamp")?);
    let (mut action, mut first_seq) = ("snapshot", None);
    if o.one_of("type", &["snapshot", "change"])?.as_deref() == Some("change") {
        action = "update";
        first_seq = o.integer("prev_change_id")?;
    }
    events.book(&Book {
        head,
        action,
        first_seq,
        last_seq: o.integer("change_id")?,
        bids: o.array("bids")?,
        asks: o.array("asks")?,
        level: Level::Stated,
    })
}
