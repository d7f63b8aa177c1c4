// OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket
import { Book, Candle, Layout, Status, Ticker, Trade } from "./event";
import { Message, NEXT, Node } from "./node";
import { cutPrefix, equal } from "./text";

export function readOKX(m: Message, top: Node): void {
  m.where = "okx";
  if (top.has("event")) {
    readAnswer(m, top);
    return;
  }
  const arg = top.object("arg");
  const channel = arg.string("channel");
  const interval = cutPrefix(channel, "candle");
  if (interval !== null && interval != "") {
    readCandles(m, top, arg, interval);
  } else if (equal(channel, "trades")) {
    readTrades(m, top);
  } else if (equal(channel, "tickers")) {
    readTickers(m, top);
  } else if (equal(channel, "books") || equal(channel, "books-l2-tbt") || equal(channel, "books50-l2-tbt")) {
    readBooks(m, top, arg, top);
  } else if (equal(channel, "books5") || equal(channel, "bbo-tbt")) {
    readBooks(m, top, arg, top.ifSent());
  } else {
    m.unknown("channel", channel);
  }
}

/** Reads the answer to a request. */
function readAnswer(m: Message, top: Node): void {
  const event = top.string("event");
  const e = new Status(m, "okx");
  if (equal(event, "subscribe")) {
    e.event = "subscribe";
  } else if (equal(event, "unsubscribe")) {
    e.event = "unsubscribe";
  } else if (equal(event, "error")) {
    e.event = "error";
  } else {
    m.unknown("event", event);
    return;
  }
  m.where = "okx event";
  if (e.event != "error" || top.has("arg")) {
    const arg = top.object("arg");
    e.symbol = arg.ifSent().string("instId"); // a channel may be about a kind of instrument
    e.channel = arg.string("channel");
  }
  const sent = top.ifSent();
  e.code = sent.string("code");
  e.text = sent.string("msg");
  e.write();
}

function readTrades(m: Message, top: Node): void {
  m.where = "okx trades";
  const data = top.entries();
  while (data.more()) {
    const o = data.object(NEXT);
    const e = new Trade(m, "okx");
    e.symbol = o.string("instId");
    e.time = o.digits("ts");
    e.id = o.string("tradeId");
    e.price = o.decimal("px");
    e.size = o.decimal("sz");
    e.side = o.oneOf("side", ["buy", "sell"]);
    e.write();
  }
}

function readTickers(m: Message, top: Node): void {
  m.where = "okx tickers";
  const data = top.entries();
  while (data.more()) {
    const o = data.object(NEXT);
    const nullable = o.orNull();
    const e = new Ticker(m, "okx");
    e.symbol = o.string("instId");
    e.time = o.digits("ts");
    e.bid = nullable.decimal("bidPx");
    e.bidSize = nullable.decimal("bidSz");
    e.ask = nullable.decimal("askPx");
    e.askSize = nullable.decimal("askSz");
    e.last = nullable.decimal("last");
    e.lastSize = nullable.decimal("lastSz");
    e.open = nullable.decimal("open24h");
    e.high = nullable.decimal("high24h");
    e.low = nullable.decimal("low24h");
    e.volume = nullable.decimal("vol24h");
    e.write();
  }
}

/** Reads an order book. A channel that sends the whole book each time need not name the action. */
function readBooks(m: Message, top: Node, arg: Node, actionOf: Node): void {
  m.where = "okx books";
  const symbol = arg.string("instId");
  let action = actionOf.oneOf("action", ["snapshot", "update"]);
  if (action == "") action = "snapshot";
  const data = top.entries();
  while (data.more()) {
    const o = data.object(NEXT);
    const sent = o.ifSent();
    const e = new Book(m, "okx", action, Layout.Sized);
    e.symbol = symbol;
    e.time = o.digits("ts");
    e.firstSeq = sent.integer("prevSeqId");
    e.lastSeq = sent.integer("seqId");
    e.bids = o.array("bids");
    e.asks = o.array("asks");
    e.write();
  }
}

/** Reads [open time, open, high, low, close, volume, in coins, in the quote currency, over]. */
function readCandles(m: Message, top: Node, arg: Node, interval: string): void {
  m.where = "okx candle";
  const symbol = arg.string("instId");
  const data = top.entries();
  while (data.more()) {
    const row = data.array(NEXT);
    const e = new Candle(m, "okx");
    e.symbol = symbol;
    e.interval = interval;
    e.openTime = row.digits(NEXT);
    e.open = row.decimal(NEXT);
    e.high = row.decimal(NEXT);
    e.low = row.decimal(NEXT);
    e.close = row.decimal(NEXT);
    e.volume = row.decimal(NEXT);
    row.decimal(NEXT); // the volume in coins
    e.quoteVolume = row.decimal(NEXT);
    e.closed = row.oneOf(NEXT, ["0", "1"]) == "1";
    e.write();
  }
}
