// The events. Text fields hold what a node's reader returned, and "" becomes null. Prices, sizes and volumes are the
// exchange's decimals, to the digit; times are milliseconds since 1970 in UTC.
import { isZero } from "./decimal";
import { Message, NEXT, Node } from "./node";

/** What every event is. */
abstract class Event {
  /** Null for a status that is about no single symbol. */
  symbol: string = "";
  /** Null when the exchange sent none. */
  time: string = "";

  constructor(protected message: Message, private exchange: string, private type: string) {}

  /** Writes the event. */
  write(): void {
    this.words('{"exchange":"' + this.exchange + '","type":"' + this.type + '"');
    this.quoted("symbol", this.symbol);
    this.plain("ts_ms", this.time);
    this.fields();
    this.words("}\n");
  }

  protected abstract fields(): void;

  protected words(words: string): void {
    this.message.out.add(words);
  }

  protected key(key: string): void {
    this.words(',"');
    this.words(key);
    this.words('":');
  }

  /** Writes a member whose value is a string. */
  protected quoted(key: string, text: string): void {
    this.key(key);
    this.value(text);
  }

  /** Writes a member whose value is a number or a truth value. */
  protected plain(key: string, text: string): void {
    this.key(key);
    this.words(text == "" ? "null" : text);
  }

  /** Writes a string. */
  protected value(text: string): void {
    if (text == "") {
      this.words("null");
      return;
    }
    this.words('"');
    this.words(text);
    this.words('"');
  }
}

/** One execution, or several of one order that the exchange added up. */
export class Trade extends Event {
  id: string = "";
  price: string = "";
  size: string = "";
  /** buy or sell: what the order that met the book did. */
  side: string = "";

  constructor(message: Message, exchange: string) {
    super(message, exchange, "trade");
  }

  protected fields(): void {
    this.quoted("id", this.id);
    this.quoted("price", this.price);
    this.quoted("size", this.size);
    this.quoted("side", this.side);
  }
}

/** The best bid and offer, or the summary of a day. */
export class Ticker extends Event {
  bid: string = "";
  bidSize: string = "";
  ask: string = "";
  askSize: string = "";
  last: string = "";
  lastSize: string = "";
  // Over the last 24 hours.
  open: string = "";
  high: string = "";
  low: string = "";
  volume: string = "";
  // Of derivatives.
  mark: string = "";
  index: string = "";
  openInterest: string = "";

  constructor(message: Message, exchange: string) {
    super(message, exchange, "ticker");
  }

  protected fields(): void {
    this.quoted("bid", this.bid);
    this.quoted("bid_size", this.bidSize);
    this.quoted("ask", this.ask);
    this.quoted("ask_size", this.askSize);
    this.quoted("last", this.last);
    this.quoted("last_size", this.lastSize);
    this.quoted("open_24h", this.open);
    this.quoted("high_24h", this.high);
    this.quoted("low_24h", this.low);
    this.quoted("volume_24h", this.volume);
    this.quoted("mark", this.mark);
    this.quoted("index", this.index);
    this.quoted("open_interest", this.openInterest);
  }
}

/** How an exchange writes a price level. */
export enum Layout {
  /** ["price","size",...] */
  Sized,
  /** ["new",price,size], where new may be change or delete. */
  Stated,
}

/** The order book or a change to it. A level of size zero is gone from the book. */
export class Book extends Event {
  // The exchange's sequence numbers: an update follows on firstSeq.
  firstSeq: string = "";
  lastSeq: string = "";
  bids: Node;
  asks: Node;

  /** action is snapshot or update. */
  constructor(message: Message, exchange: string, public action: string, private layout: Layout) {
    super(message, exchange, "book");
    this.bids = Node.none(message);
    this.asks = Node.none(message);
  }

  protected fields(): void {
    this.quoted("action", this.action);
    this.plain("first_seq", this.firstSeq);
    this.plain("last_seq", this.lastSeq);
    this.levels("bids", this.bids);
    this.levels("asks", this.asks);
  }

  private levels(key: string, side: Node): void {
    this.key(key);
    this.words("[");
    for (let i = 0; side.more(); i++) {
      if (i > 0) this.words(",");
      this.level(side.array(NEXT));
    }
    this.words("]");
  }

  private level(level: Node): void {
    let price = "";
    let size = "";
    if (this.layout == Layout.Sized) {
      price = level.decimal(NEXT);
      size = level.decimal(NEXT);
    } else {
      const state = level.oneOf(NEXT, ["new", "change", "delete"]);
      price = level.number(NEXT);
      size = level.number(NEXT);
      // What was deleted has size 0, which is how the events say so.
      if (state == "delete" && !isZero(size)) level.wrong(NEXT, "0 in a level that is deleted", size);
    }
    this.words('["');
    this.words(price);
    this.words('","');
    this.words(size);
    this.words('"]');
  }
}

/** The trading of one interval. */
export class Candle extends Event {
  interval: string = "";
  openTime: string = "";
  closeTime: string = "";
  open: string = "";
  high: string = "";
  low: string = "";
  close: string = "";
  volume: string = "";
  quoteVolume: string = "";
  /** How many. */
  trades: string = "";
  /** The interval is over. */
  closed: bool = false;

  constructor(message: Message, exchange: string) {
    super(message, exchange, "candle");
  }

  protected fields(): void {
    this.quoted("interval", this.interval);
    this.plain("open_ms", this.openTime);
    this.plain("close_ms", this.closeTime);
    this.quoted("open", this.open);
    this.quoted("high", this.high);
    this.quoted("low", this.low);
    this.quoted("close", this.close);
    this.quoted("volume", this.volume);
    this.quoted("quote_volume", this.quoteVolume);
    this.plain("trades", this.trades);
    this.plain("closed", this.closed ? "true" : "false");
  }
}

/** The exchange's answer to a request. */
export class Status extends Event {
  /** subscribe, unsubscribe or error. */
  event: string = "subscribe";
  /** What it is about: one channel, or an array of them, or none. */
  channel: string = "";
  channels: Node;
  // Of an error.
  code: string = "";
  text: string = "";

  constructor(message: Message, exchange: string) {
    super(message, exchange, "status");
    this.channels = Node.none(message);
  }

  protected fields(): void {
    this.quoted("event", this.event);
    this.key("channels");
    this.words("[");
    if (this.channel != "") this.value(this.channel);
    for (let i = 0; this.channels.more(); i++) {
      if (i > 0) this.words(",");
      this.value(this.channels.string(NEXT));
    }
    this.words("]");
    this.quoted("code", this.code);
    this.quoted("message", this.text);
  }
}
