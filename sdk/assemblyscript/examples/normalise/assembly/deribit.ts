// Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions
import { Book, Layout, Status, Ticker, Trade } from "./event";
import { Message, NEXT, Node } from "./node";
import { cutPrefix, equal } from "./text";

export function readDeribit(m: Message, top: Node): void {
  m.where = "deribit";
  if (!top.has("method")) {
    readAnswer(m, top);
    return;
  }
  const method = top.string("method");
  if (!equal(method, "subscription")) {
    m.unknown("method", method);
    return;
  }
  const params = top.object("params");
  const channel = params.string("channel");
  if (cutPrefix(channel, "trades.") !== null) {
    readTrades(m, params);
  } else if (cutPrefix(channel, "ticker.") !== null) {
    readTicker(m, params);
  } else if (cutPrefix(channel, "book.") !== null) {
    readBook(m, params);
  } else {
    m.unknown("channel", channel);
  }
}

/** Reads the answer to a subscription, which lists the channels subscribed to. */
function readAnswer(m: Message, top: Node): void {
  m.where = "deribit answer";
  const e = new Status(m, "deribit");
  e.time = milliseconds(top.ifSent().integer("usOut"));
  if (top.has("error")) {
    const refusal = top.object("error");
    e.event = "error";
    e.code = refusal.integer("code");
    e.text = refusal.string("message");
  } else {
    e.channels = top.array("result");
  }
  e.write();
}

/** Drops the last three digits of a time in microseconds. */
function milliseconds(microseconds: string): string {
  if (microseconds == "") return "";
  const whole = microseconds.substring(0, max(0, microseconds.length - 3));
  return whole == "" || whole == "-" ? "0" : whole;
}

function readTrades(m: Message, params: Node): void {
  m.where = "deribit trades";
  const data = params.entries();
  while (data.more()) {
    const o = data.object(NEXT);
    const e = new Trade(m, "deribit");
    e.symbol = o.string("instrument_name");
    e.time = o.integer("timestamp");
    e.id = o.string("trade_id");
    e.price = o.number("price");
    e.size = o.number("amount");
    e.side = o.oneOf("direction", ["buy", "sell"]);
    e.write();
  }
}

function readTicker(m: Message, params: Node): void {
  m.where = "deribit ticker";
  const o = params.object("data");
  const e = new Ticker(m, "deribit");
  e.symbol = o.string("instrument_name");
  e.time = o.integer("timestamp");
  const stats = o.object("stats").orNull();
  const nullable = o.orNull();
  const sent = o.ifSent();
  e.bid = nullable.number("best_bid_price");
  e.bidSize = nullable.number("best_bid_amount");
  e.ask = nullable.number("best_ask_price");
  e.askSize = nullable.number("best_ask_amount");
  e.last = nullable.number("last_price");
  e.high = stats.number("high");
  e.low = stats.number("low");
  e.volume = stats.number("volume");
  e.mark = sent.number("mark_price"); // spot pairs send none of these three
  e.index = sent.number("index_price");
  e.openInterest = sent.number("open_interest");
  e.write();
}

function readBook(m: Message, params: Node): void {
  m.where = "deribit book";
  const o = params.object("data");
  const e = new Book(m, "deribit", "snapshot", Layout.Stated);
  e.symbol = o.string("instrument_name");
  e.time = o.integer("timestamp");
  if (o.oneOf("type", ["snapshot", "change"]) == "change") {
    e.action = "update";
    e.firstSeq = o.integer("prev_change_id");
  }
  e.lastSeq = o.integer("change_id");
  e.bids = o.array("bids");
  e.asks = o.array("asks");
  e.write();
}
