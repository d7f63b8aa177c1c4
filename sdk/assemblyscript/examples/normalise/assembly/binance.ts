// Binance's web socket streams, raw ({"e":"aggTrade",...}) and combined ({"stream":..,"data":{..}}):
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
import { Book, Candle, Layout, Status, Ticker, Trade } from "./event";
import { Message, Node } from "./node";
import { after, equal } from "./text";

export function readBinance(m: Message, top: Node): void {
  m.where = "binance";
  if (top.has("result") || top.has("error")) {
    readAnswer(m, top);
    return;
  }
  if (!top.has("stream")) {
    readEvent(m, top, "");
    return;
  }
  const stream = top.string("stream");
  const data = top.object("data");
  // The path begins anew, so that a failure names a field alike in raw and combined streams.
  data.parent = null;
  readEvent(m, data, stream);
}

/** Reads the event of a stream, whose name is "" in raw streams. */
function readEvent(m: Message, o: Node, stream: string): void {
  if (!o.has("e")) {
    // The best bid and offer is the one event of these that does not say what it is.
    const name = after(stream, 0x40 /* @ */);
    if (stream == "" || (name !== null && equal(name, "bookTicker"))) readBookTicker(m, o);
    else m.unknown("stream", stream);
    return;
  }
  const event = o.string("e");
  if (equal(event, "trade")) {
    m.where = "binance trade";
    readTrade(m, o, "t");
  } else if (equal(event, "aggTrade")) {
    m.where = "binance aggTrade";
    readTrade(m, o, "a");
  } else if (equal(event, "bookTicker")) {
    readBookTicker(m, o);
  } else if (equal(event, "24hrTicker")) {
    readDayTicker(m, o);
  } else if (equal(event, "depthUpdate")) {
    readDepthUpdate(m, o);
  } else if (equal(event, "kline")) {
    readKline(m, o);
  } else {
    m.unknown("event", event);
  }
}

function readTrade(m: Message, o: Node, id: string): void {
  const e = new Trade(m, "binance");
  e.symbol = o.string("s");
  e.time = o.integer("T");
  e.id = o.integer(id);
  e.price = o.decimal("p");
  e.size = o.decimal("q");
  e.side = o.bool("m") ? "sell" : "buy"; // m: the buyer's order was in the book
  e.write();
}

/** Reports whether a raw message has the shape of the best bid and offer. */
export function isBookTicker(o: Node): bool {
  return o.has("s") && o.has("b") && o.has("B") && o.has("a") && o.has("A");
}

function readBookTicker(m: Message, o: Node): void {
  m.where = "binance bookTicker";
  const e = new Ticker(m, "binance");
  e.symbol = o.string("s");
  e.time = o.ifSent().integer("E"); // futures send the time
  e.bid = o.decimal("b");
  e.bidSize = o.decimal("B");
  e.ask = o.decimal("a");
  e.askSize = o.decimal("A");
  e.write();
}

function readDayTicker(m: Message, o: Node): void {
  m.where = "binance 24hrTicker";
  const e = new Ticker(m, "binance");
  e.symbol = o.string("s");
  e.time = o.integer("E");
  e.bid = o.decimal("b");
  e.bidSize = o.decimal("B");
  e.ask = o.decimal("a");
  e.askSize = o.decimal("A");
  e.last = o.decimal("c");
  e.lastSize = o.decimal("Q");
  e.open = o.decimal("o");
  e.high = o.decimal("h");
  e.low = o.decimal("l");
  e.volume = o.decimal("v");
  e.write();
}

function readDepthUpdate(m: Message, o: Node): void {
  m.where = "binance depthUpdate";
  const e = new Book(m, "binance", "update", Layout.Sized);
  e.symbol = o.string("s");
  e.time = o.integer("E");
  e.firstSeq = o.integer("U");
  e.lastSeq = o.integer("u");
  e.bids = o.array("b");
  e.asks = o.array("a");
  e.write();
}

function readKline(m: Message, o: Node): void {
  m.where = "binance kline";
  const e = new Candle(m, "binance");
  e.symbol = o.string("s");
  e.time = o.integer("E");
  const k = o.object("k");
  e.interval = k.string("i");
  e.openTime = k.integer("t");
  e.closeTime = k.integer("T");
  e.open = k.decimal("o");
  e.high = k.decimal("h");
  e.low = k.decimal("l");
  e.close = k.decimal("c");
  e.volume = k.decimal("v");
  e.quoteVolume = k.decimal("q");
  e.trades = k.integer("n");
  e.closed = k.bool("x");
  e.write();
}

/** Reads the answer to a request: {"result":null,"id":1} when it was granted. */
function readAnswer(m: Message, top: Node): void {
  m.where = "binance answer";
  const e = new Status(m, "binance");
  if (top.has("error")) {
    const refusal = top.object("error");
    e.event = "error";
    e.code = refusal.integer("code");
    e.text = refusal.string("msg");
  } else {
    const result = top.raw("result");
    if (result != "null") top.wrong("result", "null", result);
  }
  e.write();
}
