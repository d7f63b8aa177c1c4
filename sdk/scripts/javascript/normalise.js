// Normalise turns one message as a crypto exchange sent it into events of one common shape.
//
// The input is one JSON message of Binance, OKX or Deribit; the output is one JSON object a line for each event in it.
// sdk/testdata/market/README.md has the fields of events. A message that is not understood throws an Error that says
// what was expected and where.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function handle(input) {
  // Strings, numbers and words stand in the message as they are written there, so that no digit is lost.
  const message = JSON.parse(utf8.decode(input), (key, value, { source }) => source ?? value);
  if (!isObject(message)) throw new Error('not a JSON object');
  return events(new Node(message)).map((event) => json(event) + '\n').join('');
}

// events finds the exchange by the fields only its messages have.
function events(top) {
  const has = (key) => top.has(key);
  if (has('jsonrpc')) return deribit(top);
  if (has('arg') || has('event')) return okx(top);
  if (['stream', 'e', 'result', 'error'].some(has) || [...'sbBaA'].every(has)) return binance(top);
  throw new Error('unknown message: no "stream", "arg" or "jsonrpc" field');
}

// The events. What has no value is null, and what is given here as undefined, too.

const event = (type, exchange, symbol, ts_ms, fields) => ({ exchange: quote(exchange), type: quote(type), symbol, ts_ms, ...fields });

const noTicker = Object.fromEntries(
  'bid bid_size ask ask_size last last_size open_24h high_24h low_24h volume_24h mark index open_interest'.split(' ').map((key) => [key]),
);
const ticker = (exchange, symbol, ts_ms, fields) => event('ticker', exchange, symbol, ts_ms, { ...noTicker, ...fields });

const status = (exchange, symbol, ts_ms, name, { channels = [], code, message } = {}) =>
  event('status', exchange, symbol, ts_ms, { event: quote(name), channels, code, message });

// Binance's web socket streams: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

function binance(top) {
  top.where = 'binance';
  if (top.has('result') || top.has('error')) return binanceAnswer(top);
  let o = top, stream;
  if (top.has('stream')) {
    stream = top.string('stream');
    o = top.object('data');
    o.path = ''; // a refusal names a field alike in raw and combined streams
  }
  let name = '"bookTicker"'; // the one event of these that does not say what it is
  if (o.has('e')) name = o.string('e');
  else if (stream && !/^[^@]*@bookTicker$/.test(JSON.parse(stream))) o.unknown('stream', stream);
  const kind = JSON.parse(name);
  if (!Object.hasOwn(binanceEvents, kind)) o.unknown('event', name);
  o.where = `binance ${kind}`;
  return [binanceEvents[kind](o)];
}

const binanceTrade = (o, id) =>
  event('trade', 'binance', o.string('s'), o.integer('T'), {
    id: quote(o.integer(id)),
    price: o.decimal('p'),
    size: o.decimal('q'),
    side: quote(o.boolean('m') === 'true' ? 'sell' : 'buy'), // m: the buyer's order was in the book
  });

const binanceEvents = {
  trade: (o) => binanceTrade(o, 't'),
  aggTrade: (o) => binanceTrade(o, 'a'),

  bookTicker: (o) =>
    ticker('binance', o.string('s'), o.ifSent().integer('E'), { // futures send the time
      bid: o.decimal('b'), bid_size: o.decimal('B'),
      ask: o.decimal('a'), ask_size: o.decimal('A'),
    }),

  '24hrTicker': (o) =>
    ticker('binance', o.string('s'), o.integer('E'), {
      bid: o.decimal('b'), bid_size: o.decimal('B'),
      ask: o.decimal('a'), ask_size: o.decimal('A'),
      last: o.decimal('c'), last_size: o.decimal('Q'),
      open_24h: o.decimal('o'), high_24h: o.decimal('h'), low_24h: o.decimal('l'), volume_24h: o.decimal('v'),
    }),

  depthUpdate: (o) =>
    event('book', 'binance', o.string('s'), o.integer('E'), {
      action: quote('update'),
      first_seq: o.integer('U'), last_seq: o.integer('u'),
      ...o.sides('b', 'a', sized),
    }),

  kline(o) {
    const symbol = o.string('s'), time = o.integer('E'), k = o.object('k');
    return event('candle', 'binance', symbol, time, {
      interval: k.string('i'), open_ms: k.integer('t'), close_ms: k.integer('T'),
      open: k.decimal('o'), high: k.decimal('h'), low: k.decimal('l'), close: k.decimal('c'),
      volume: k.decimal('v'), quote_volume: k.decimal('q'),
      trades: k.integer('n'), closed: k.boolean('x'),
    });
  },
};

// binanceAnswer reads the answer to a request: {"result":null,"id":1} when it was granted.
function binanceAnswer(top) {
  top.where = 'binance answer';
  if (!top.has('error')) {
    top.get('result', 'null', (value) => value === 'null' && value);
    return [status('binance', null, null, 'subscribe')];
  }
  const refusal = top.object('error');
  return [status('binance', null, null, 'error', { code: quote(refusal.integer('code')), message: refusal.string('msg') })];
}

// OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket

function okx(top) {
  top.where = 'okx';
  if (top.has('event')) return okxEvent(top);
  const name = top.object('arg').string('channel');
  const channel = JSON.parse(name);
  if (/^candle./.test(channel)) return okxCandles(top, quote(channel.slice('candle'.length)));
  if (!Object.hasOwn(okxChannels, channel)) top.unknown('channel', name);
  return okxChannels[channel](top, channel);
}

function okxEvent(top) {
  const event = top.string('event'), name = JSON.parse(event);
  if (!['subscribe', 'unsubscribe', 'error'].includes(name)) top.unknown('event', event);
  top.where = 'okx event';
  let symbol, channels;
  if (name !== 'error' || top.has('arg')) {
    const arg = top.object('arg');
    symbol = arg.ifSent().string('instId'); // a channel may be about a kind of instrument
    channels = [arg.string('channel')];
  }
  const sent = top.ifSent();
  return [status('okx', symbol, null, name, { channels, code: sent.string('code'), message: sent.string('msg') })];
}

function okxTrades(top) {
  top.where = 'okx trades';
  return top.entries((o) =>
    event('trade', 'okx', o.string('instId'), o.digits('ts'), {
      id: o.string('tradeId'),
      price: o.decimal('px'),
      size: o.decimal('sz'),
      side: quote(o.oneOf('side', 'buy', 'sell')),
    }));
}

function okxTickers(top) {
  top.where = 'okx tickers';
  return top.entries((o) => {
    const nullable = o.orNull();
    return ticker('okx', o.string('instId'), o.digits('ts'), {
      bid: nullable.decimal('bidPx'), bid_size: nullable.decimal('bidSz'),
      ask: nullable.decimal('askPx'), ask_size: nullable.decimal('askSz'),
      last: nullable.decimal('last'), last_size: nullable.decimal('lastSz'),
      open_24h: nullable.decimal('open24h'), high_24h: nullable.decimal('high24h'),
      low_24h: nullable.decimal('low24h'), volume_24h: nullable.decimal('vol24h'),
    });
  });
}

// okxBooks reads an order book. A channel that sends the whole book each time need not name the action.
function okxBooks(top, channel) {
  top.where = 'okx books';
  const symbol = top.object('arg').string('instId');
  const whole = ['books5', 'bbo-tbt'].includes(channel);
  const action = quote((whole ? top.ifSent() : top).oneOf('action', 'snapshot', 'update') ?? 'snapshot');
  return top.entries((o) => {
    const sent = o.ifSent();
    return event('book', 'okx', symbol, o.digits('ts'), {
      action,
      first_seq: sent.integer('prevSeqId'), last_seq: sent.integer('seqId'),
      ...o.sides('bids', 'asks', sized),
    });
  });
}

// okxCandles reads [open time, open, high, low, close, volume, in coins, in the quote currency, over].
function okxCandles(top, interval) {
  top.where = 'okx candle';
  const symbol = top.object('arg').string('instId');
  return top.entries((row) => {
    const open_ms = row.digits(0);
    const [open, high, low, close, volume, , quote_volume] = [1, 2, 3, 4, 5, 6, 7].map((i) => row.decimal(i));
    const closed = row.oneOf(8, '0', '1') === '1';
    const close_ms = null, trades = null;
    return event('candle', 'okx', symbol, null, { interval, open_ms, close_ms, open, high, low, close, volume, quote_volume, trades, closed });
  }, 'array');
}

const okxChannels = {
  trades: okxTrades,
  tickers: okxTickers,
  books: okxBooks,
  'books-l2-tbt': okxBooks,
  'books50-l2-tbt': okxBooks,
  books5: okxBooks,
  'bbo-tbt': okxBooks,
};

// Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions

function deribit(top) {
  top.where = 'deribit';
  if (!top.has('method')) return deribitAnswer(top);
  const method = top.string('method');
  if (JSON.parse(method) !== 'subscription') top.unknown('method', method);
  const params = top.object('params');
  const channel = params.string('channel');
  const [kind, ...rest] = JSON.parse(channel).split('.');
  if (rest.length === 0 || !Object.hasOwn(deribitChannels, kind)) top.unknown('channel', channel);
  params.where = `deribit ${kind}`;
  return deribitChannels[kind](params);
}

// deribitAnswer reads the answer to a subscription, which lists the channels subscribed to.
function deribitAnswer(top) {
  top.where = 'deribit answer';
  const microseconds = top.ifSent().integer('usOut');
  const time = microseconds && String(BigInt(microseconds) / 1000n);
  if (!top.has('error')) {
    return [status('deribit', null, time, 'subscribe', { channels: top.array('result').map((result, i) => result.string(i)) })];
  }
  const refusal = top.object('error');
  return [status('deribit', null, time, 'error', { code: quote(refusal.integer('code')), message: refusal.string('message') })];
}

const deribitChannels = {
  trades: (params) =>
    params.entries((o) =>
      event('trade', 'deribit', o.string('instrument_name'), o.integer('timestamp'), {
        id: o.string('trade_id'),
        price: o.number('price'),
        size: o.number('amount'),
        side: quote(o.oneOf('direction', 'buy', 'sell')),
      })),

  ticker(params) {
    const o = params.object('data');
    const symbol = o.string('instrument_name'), time = o.integer('timestamp'), stats = o.object('stats').orNull();
    const nullable = o.orNull(), sent = o.ifSent();
    return [ticker('deribit', symbol, time, {
      bid: nullable.number('best_bid_price'), bid_size: nullable.number('best_bid_amount'),
      ask: nullable.number('best_ask_price'), ask_size: nullable.number('best_ask_amount'),
      last: nullable.number('last_price'),
      high_24h: stats.number('high'), low_24h: stats.number('low'), volume_24h: stats.number('volume'),
      // Spot pairs send none of these three.
      mark: sent.number('mark_price'), index: sent.number('index_price'), open_interest: sent.number('open_interest'),
    })];
  },

  book(params) {
    const o = params.object('data');
    const symbol = o.string('instrument_name'), time = o.integer('timestamp');
    const change = o.oneOf('type', 'snapshot', 'change') === 'change';
    return [event('book', 'deribit', symbol, time, {
      action: quote(change ? 'update' : 'snapshot'),
      first_seq: change ? o.integer('prev_change_id') : null, last_seq: o.integer('change_id'),
      ...o.sides('bids', 'asks', stated),
    })];
  },
};

// How exchanges write a price level: ["price", "size", ...] and ["new", price, size], where new may be change or
// delete. One of size zero is gone from the book.

const sized = (level) => [level.decimal(0), level.decimal(1)];

function stated(level) {
  const state = level.oneOf(0, 'new', 'change', 'delete'), price = level.number(1), size = level.number(2);
  if (state === 'delete' && /[1-9]/.test(size)) level.wrong(2, '0 in a level that is deleted', JSON.parse(size));
  return [price, size];
}

// A Node is an object or array of the message, with what refusals say of it: its kind of message and the way to it.
//
// A reader is given the key of a member or the index of an element, and refuses what it does not expect. It returns
// JSON text, and undefined for what the node may do without.
class Node {
  constructor(value, where, path = '', lack = {}) {
    this.value = value;
    this.where = where;
    this.path = path;
    this.lack = lack;
  }

  // orNull is the same node, whose values may be null, or "", which is how OKX writes null; those of ifSent may be missing, too.
  orNull() { return new Node(this.value, this.where, this.path, { nulls: true }); }
  ifSent() { return new Node(this.value, this.where, this.path, { nulls: true, gaps: true }); }

  has(key) { return Object.hasOwn(this.value, key); }

  map(read) { return this.value.map((_, i) => read(this, i)); }

  // get returns what accept makes of a value; nothing says that it is not what noun says.
  get(key, noun, accept) {
    if (!this.has(key)) {
      if (this.lack.gaps) return undefined;
      this.refuse(key, 'is missing');
    }
    const value = this.value[key];
    if (this.lack.nulls && (value === 'null' || value === '""')) return undefined;
    return accept(value) || this.wrong(key, noun, value);
  }

  object(key) { return new Node(this.get(key, 'an object', asObject), this.where, this.way(key)); }
  array(key) { return new Node(this.get(key, 'an array', asArray), this.where, this.way(key)); }

  // entries reads "data". One entry at least is there: a message without any would say nothing.
  entries(read, kind = 'object') {
    const data = this.array('data');
    if (data.value.length === 0) this.refuse('data', 'is empty');
    return data.map((_, i) => read(data[kind](i)));
  }

  // sides reads both sides of a book, a level by read.
  sides(bidsKey, asksKey, read) {
    const bids = this.array(bidsKey), asks = this.array(asksKey);
    const level = (side, i) => read(side.array(i));
    return { bids: bids.map(level), asks: asks.map(level) };
  }

  string(key) {
    const text = this.get(key, 'a string', asString);
    return text === '""' ? this.refuse(key, 'is empty') : text;
  }

  // oneOf returns the word itself.
  oneOf(key, ...words) {
    return this.get(key, words.map(quote).join(' or '), (value) => asString(value) && words.find((word) => word === JSON.parse(value)));
  }

  boolean(key) { return this.get(key, 'true or false', asBoolean); }
  integer(key) { return this.get(key, 'a 64-bit integer', asInteger); }
  digits(key) { return this.get(key, 'a 64-bit integer in a string', integerInString); }
  number(key) { return this.get(key, 'a decimal number', asDecimal); }
  decimal(key) { return this.get(key, 'a decimal number in a string', decimalInString); }

  way(key) {
    if (typeof key === 'number') return `${this.path}[${key}]`;
    return this.path ? `${this.path}.${key}` : key;
  }

  wrong(key, noun, value) { this.refuse(key, `is not ${noun}: ${excerpt(value)}`); }
  refuse(key, problem) { throw new Error(`${this.where}: field "${this.way(key)}" ${problem}`); }
  unknown(noun, name) { throw new Error(`${this.where}: unknown ${noun} ${excerpt(name)}`); }
}

const isObject = (value) => typeof value === 'object' && !Array.isArray(value);
const isText = (value) => typeof value === 'string';
const quote = (text) => `"${text}"`;

// What follows returns the value where it is what the name says, and otherwise nothing.

const asObject = (value) => isObject(value) && value;
const asArray = (value) => Array.isArray(value) && value;
const asString = (value) => isText(value) && value[0] === '"' && value;
const asBoolean = (value) => (value === 'true' || value === 'false') && value;
const asInteger = (value) => isText(value) && /^(?:0|-?[1-9]\d{0,18})$/.test(value) && BigInt(value.replace('-', '')) < 2n ** 63n && value;
const integerInString = (value) => asString(value) && asInteger(value.slice(1, -1));
const decimalInString = (value) => asString(value) && asDecimal(value.slice(1, -1));

// asDecimal returns the same number, quoted, without an exponent and to the last digit: 1e-06 is "0.000001". No
// float64, which is what exchanges write with exponents, needs more than 400 zeros.
export function asDecimal(value) {
  if (!isText(value)) return undefined;
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(value)) return quote(value);
  let [, sign, whole, fraction = '', exponent] = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?e([+-]?\d+)$/i.exec(value) ?? [];
  if (whole === undefined || Math.abs(exponent) > 400) return undefined;
  for (; exponent > 0; exponent--) {
    whole += fraction[0] ?? '0';
    fraction = fraction.slice(1);
  }
  for (; exponent < 0; exponent++) {
    fraction = (whole.at(-1) ?? '0') + fraction;
    whole = whole.slice(0, -1);
  }
  return quote(sign + (whole.replace(/^0+/, '') || '0') + (fraction && '.' + fraction));
}

// excerpt returns the beginning of a value, whole characters of it.
function excerpt(value) {
  const text = json(value), bytes = new TextEncoder().encode(text);
  let end = 40;
  if (bytes.length <= end) return text;
  while ((bytes[end] & 0xc0) === 0x80) end--; // not the first byte of a character
  return utf8.decode(bytes.subarray(0, end)) + '...';
}

// json joins a value whose strings, numbers and words are JSON already.
function json(value) {
  if (Array.isArray(value)) return `[${value.map(json)}]`;
  if (value && typeof value === 'object') return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${json(item)}`)}}`;
  return String(value ?? null);
}
