//! Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one
//! common shape, whichever exchange it came from.
//!
//! The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for
//! each event in it: trade, ticker, book, candle or status; event.rs has their fields. A message that is
//! not understood fails with what was expected and where.

mod binance;
mod decimal;
mod deribit;
mod event;
mod json;
mod node;
mod okx;
#[cfg(test)]
mod tests;

use event::Events;
use node::{Message, Node, Result};

prism::plugin!(normalise);

fn normalise(input: &[u8]) -> Result<Vec<u8>> {
    let document = json::scan(input)?;
    let message = Message::new(document);
    let mut events = Events::with_capacity(input.len() + 256);
    read(&message.top(), &mut events)?;
    Ok(events.into_bytes())
}

/// Finds the exchange by the fields only its messages have.
fn read(top: &Node, events: &mut Events) -> Result<()> {
    let has_any = |keys: &[&str]| keys.iter().any(|key| top.has(key));
    if top.has("jsonrpc") {
        deribit::read(top, events)
    } else if has_any(&["arg", "event"]) {
        okx::read(top, events)
    } else if has_any(&["stream", "e", "result", "error"]) || binance::is_book_ticker(top) {
        binance::read(top, events)
    } else {
        Err(r#"unknown message: no "stream", "arg" or "jsonrpc" field"#.into())
    }
}
