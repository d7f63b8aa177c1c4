"""Normalise turns one message as a crypto exchange sent it into events of one common shape.

The input is one JSON message of Binance, OKX or Deribit; the output is one JSON object a line for each event in it.
sdk/testdata/market/README.md has the fields of events. A message that is not understood raises a ValueError that says
what was expected and where.
"""

import json
import re
from decimal import Decimal

COMPLETE, NULLS, GAPS = range(3)  # values: all there; may be null or ""; may be missing, too
MAX_EXPONENT = 400  # bounds the zeros it may stand for: no float64 needs more

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?0*[0-9]{1,3}))?")


class Number(str):
    """A number of the message, as it is written there."""


def no_constant(name):
    raise ValueError(f"not JSON: {name}")


decode = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=no_constant).decode
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def handle(input):
    message = decode(input.decode())
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return "".join(encode(event) + "\n" for event in events(Node(message)))


def events(top):
    """Finds the exchange by the fields only its messages have."""
    if top.has("jsonrpc"):
        return deribit(top)
    if top.has("arg") or top.has("event"):
        return okx(top)
    if any(map(top.has, ("stream", "e", "result", "error"))) or all(map(top.has, "sbBaA")):
        return binance(top)
    raise ValueError('unknown message: no "stream", "arg" or "jsonrpc" field')


def event(type, exchange, symbol, ts_ms, **fields):
    return {"exchange": exchange, "type": type, "symbol": symbol, "ts_ms": ts_ms, **fields}


TICKER = dict.fromkeys(
    "bid bid_size ask ask_size last last_size open_24h high_24h low_24h volume_24h mark index open_interest".split()
)


def ticker(*head, **fields):
    return event("ticker", *head, **{**TICKER, **fields})


def status(exchange, event_, symbol=None, ts_ms=None, channels=(), code=None, message=None):
    return event("status", exchange, symbol, ts_ms, event=event_, channels=channels, code=code, message=message)


# Binance's web socket streams: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams


def binance(top):
    top.where = "binance"
    if top.has("result") or top.has("error"):
        return binance_answer(top)
    o, stream = top, ""
    if top.has("stream"):
        stream, o = top.string("stream"), top.object("data")
        o.path = ""  # a refusal names a field alike in raw and combined streams
    if o.has("e"):
        name = o.string("e")
        if name not in BINANCE:
            o.unknown("event", name)
    elif not stream or stream.partition("@")[2] == "bookTicker":
        name = "bookTicker"  # the one event of these that does not say what it is
    else:
        o.unknown("stream", stream)
    o.where = "binance " + name
    return BINANCE[name](o)


def binance_trade(o, id):
    yield event(
        "trade", "binance", o.string("s"), o.integer("T"),
        id=str(o.integer(id)),
        price=o.decimal("p"),
        size=o.decimal("q"),
        side="sell" if o.boolean("m") else "buy",  # m: the buyer's order was in the book
    )


def binance_book_ticker(o):
    yield ticker(
        "binance", o.string("s"), o.if_sent().integer("E"),  # futures send the time
        bid=o.decimal("b"), bid_size=o.decimal("B"),
        ask=o.decimal("a"), ask_size=o.decimal("A"),
    )


def binance_day_ticker(o):
    yield ticker(
        "binance", o.string("s"), o.integer("E"),
        bid=o.decimal("b"), bid_size=o.decimal("B"),
        ask=o.decimal("a"), ask_size=o.decimal("A"),
        last=o.decimal("c"), last_size=o.decimal("Q"),
        open_24h=o.decimal("o"), high_24h=o.decimal("h"), low_24h=o.decimal("l"), volume_24h=o.decimal("v"),
    )


def binance_depth(o):
    yield event(
        "book", "binance", o.string("s"), o.integer("E"),
        action="update",
        first_seq=o.integer("U"), last_seq=o.integer("u"),
        **o.sides("b", "a", sized),
    )


def binance_kline(o):
    symbol, time, k = o.string("s"), o.integer("E"), o.object("k")
    yield event(
        "candle", "binance", symbol, time,
        interval=k.string("i"), open_ms=k.integer("t"), close_ms=k.integer("T"),
        open=k.decimal("o"), high=k.decimal("h"), low=k.decimal("l"), close=k.decimal("c"),
        volume=k.decimal("v"), quote_volume=k.decimal("q"),
        trades=k.integer("n"), closed=k.boolean("x"),
    )


def binance_answer(top):
    """The answer to a request: {"result":null,"id":1} when it was granted."""
    top.where = "binance answer"
    if not top.has("error"):
        top.get("result", "null", lambda value: value is None or None)
        yield status("binance", "subscribe")
        return
    refusal = top.object("error")
    yield status("binance", "error", code=str(refusal.integer("code")), message=refusal.string("msg"))


BINANCE = {
    "trade": lambda o: binance_trade(o, "t"),
    "aggTrade": lambda o: binance_trade(o, "a"),
    "bookTicker": binance_book_ticker,
    "24hrTicker": binance_day_ticker,
    "depthUpdate": binance_depth,
    "kline": binance_kline,
}


# OKX's public web socket channels: https://www.okx.com/docs-v5/en/#public-data-websocket


def okx(top):
    top.where = "okx"
    if top.has("event"):
        return okx_event(top)
    channel = top.object("arg").string("channel")
    if channel.startswith("candle") and channel != "candle":
        return okx_candles(top, channel.removeprefix("candle"))
    if channel not in OKX:
        top.unknown("channel", channel)
    return OKX[channel](top, channel)


def okx_event(top):
    name, symbol, channels = top.string("event"), None, []
    if name not in ("subscribe", "unsubscribe", "error"):
        top.unknown("event", name)
    top.where = "okx event"
    if name != "error" or top.has("arg"):
        arg = top.object("arg")
        symbol = arg.if_sent().string("instId")  # a channel may be about a kind of instrument
        channels = [arg.string("channel")]
    sent = top.if_sent()
    yield status("okx", name, symbol, channels=channels, code=sent.string("code"), message=sent.string("msg"))


def okx_trades(top, _):
    top.where = "okx trades"
    for o in top.entries():
        yield event(
            "trade", "okx", o.string("instId"), o.digits("ts"),
            id=o.string("tradeId"),
            price=o.decimal("px"),
            size=o.decimal("sz"),
            side=o.one_of("side", "buy", "sell"),
        )


def okx_tickers(top, _):
    top.where = "okx tickers"
    for o in top.entries():
        nullable = o.or_null()
        yield ticker(
            "okx", o.string("instId"), o.digits("ts"),
            bid=nullable.decimal("bidPx"), bid_size=nullable.decimal("bidSz"),
            ask=nullable.decimal("askPx"), ask_size=nullable.decimal("askSz"),
            last=nullable.decimal("last"), last_size=nullable.decimal("lastSz"),
            open_24h=nullable.decimal("open24h"), high_24h=nullable.decimal("high24h"),
            low_24h=nullable.decimal("low24h"), volume_24h=nullable.decimal("vol24h"),
        )


def okx_books(top, channel):
    top.where = "okx books"
    symbol = top.object("arg").string("instId")
    # A channel that sends the whole book each time need not name the action.
    whole = channel in ("books5", "bbo-tbt")
    action = (top.if_sent() if whole else top).one_of("action", "snapshot", "update") or "snapshot"
    for o in top.entries():
        sent = o.if_sent()
        yield event(
            "book", "okx", symbol, o.digits("ts"),
            action=action,
            first_seq=sent.integer("prevSeqId"), last_seq=sent.integer("seqId"),
            **o.sides("bids", "asks", sized),
        )


def okx_candles(top, interval):
    """Rows of [open time, open, high, low, close, volume, in coins, in the quote currency, over]."""
    top.where = "okx candle"
    symbol = top.object("arg").string("instId")
    for row in top.entries(list):
        time = row.digits(0)
        open, high, low, close, volume, _, quote_volume = map(row.decimal, range(1, 8))
        yield event(
            "candle", "okx", symbol, None,
            interval=interval, open_ms=time, close_ms=None,
            open=open, high=high, low=low, close=close,
            volume=volume, quote_volume=quote_volume,
            trades=None, closed=row.one_of(8, "0", "1") == "1",
        )


OKX = {
    "trades": okx_trades,
    "tickers": okx_tickers,
    **dict.fromkeys(("books", "books-l2-tbt", "books50-l2-tbt", "books5", "bbo-tbt"), okx_books),
}


# Deribit's JSON-RPC subscriptions: https://docs.deribit.com/#subscriptions


def deribit(top):
    top.where = "deribit"
    if not top.has("method"):
        return deribit_answer(top)
    method = top.string("method")
    if method != "subscription":
        top.unknown("method", method)
    params = top.object("params")
    channel = params.string("channel")
    kind, dot, _ = channel.partition(".")
    if not dot or kind not in DERIBIT:
        top.unknown("channel", channel)
    params.where = "deribit " + kind
    return DERIBIT[kind](params)


def deribit_answer(top):
    """The answer to a subscription, which lists the channels subscribed to."""
    top.where = "deribit answer"
    time = top.if_sent().integer("usOut")
    if time is not None:
        time = int(Decimal(time) / 1000)
    if not top.has("error"):
        channels = top.array("result")
        yield status("deribit", "subscribe", None, time, channels=[channels.string(i) for i in channels.indices()])
        return
    refusal = top.object("error")
    yield status("deribit", "error", None, time, code=str(refusal.integer("code")), message=refusal.string("message"))


def deribit_trades(params):
    for o in params.entries():
        yield event(
            "trade", "deribit", o.string("instrument_name"), o.integer("timestamp"),
            id=o.string("trade_id"),
            price=o.number("price"),
            size=o.number("amount"),
            side=o.one_of("direction", "buy", "sell"),
        )


def deribit_ticker(params):
    o = params.object("data")
    symbol, time, stats = o.string("instrument_name"), o.integer("timestamp"), o.object("stats").or_null()
    nullable, sent = o.or_null(), o.if_sent()
    yield ticker(
        "deribit", symbol, time,
        bid=nullable.number("best_bid_price"), bid_size=nullable.number("best_bid_amount"),
        ask=nullable.number("best_ask_price"), ask_size=nullable.number("best_ask_amount"),
        last=nullable.number("last_price"),
        high_24h=stats.number("high"), low_24h=stats.number("low"), volume_24h=stats.number("volume"),
        # Spot pairs send none of these three.
        mark=sent.number("mark_price"), index=sent.number("index_price"), open_interest=sent.number("open_interest"),
    )


def deribit_book(params):
    o = params.object("data")
    symbol, time = o.string("instrument_name"), o.integer("timestamp")
    change = o.one_of("type", "snapshot", "change") == "change"
    yield event(
        "book", "deribit", symbol, time,
        action="update" if change else "snapshot",
        first_seq=o.integer("prev_change_id") if change else None, last_seq=o.integer("change_id"),
        **o.sides("bids", "asks", stated),
    )


DERIBIT = {"trades": deribit_trades, "ticker": deribit_ticker, "book": deribit_book}


# How exchanges write a price level. One of size zero is gone from the book.


def sized(level):
    """["price", "size", ...]"""
    return level.decimal(0), level.decimal(1)


def stated(level):
    """["new", price, size], where new may be change or delete"""
    state, price, size = level.one_of(0, "new", "change", "delete"), level.number(1), level.number(2)
    if state == "delete" and size.strip("-0."):
        level.wrong(2, "0 in a level that is deleted", Number(size))
    return price, size


class Node:
    """An object or array of the message, with what refusals say of it: its kind of message and the way to it.

    A reader is given the key of a member or the index of an element, and refuses what it does not expect. It returns
    None for what the node may do without.
    """

    def __init__(self, value, where="", path="", lack=COMPLETE):
        self.value, self.where, self.path, self.lack = value, where, path, lack

    def or_null(self):
        return Node(self.value, self.where, self.path, NULLS)

    def if_sent(self):
        return Node(self.value, self.where, self.path, GAPS)

    def has(self, key):
        return key in self.value

    def indices(self):
        return range(len(self.value))

    def get(self, key, noun, accept):
        """What accept makes of a value. None says that it is not what noun says."""
        try:
            value = self.value[key]
        except LookupError:
            if self.lack == GAPS:
                return None
            self.refuse(key, "is missing")
        if self.lack and (value is None or value == ""):
            return None
        accepted = accept(value)
        if accepted is None:
            self.wrong(key, noun, value)
        return accepted

    def object(self, key):
        return self.node(key, "an object", dict)

    def array(self, key):
        return self.node(key, "an array", list)

    def node(self, key, noun, type):
        value = self.get(key, noun, lambda value: value if isinstance(value, type) else None)
        return Node(value, self.where, self.way(key))

    def entries(self, type=dict):
        """Goes through "data". One entry at least is there: a message without any would say nothing."""
        data = self.array("data")
        if not data.value:
            self.refuse("data", "is empty")
        return map(data.object if type is dict else data.array, data.indices())

    def sides(self, bids, asks, layout):
        """Both sides of a book, a level by layout."""
        bids, asks = self.array(bids), self.array(asks)
        return {
            "bids": [layout(bids.array(i)) for i in bids.indices()],
            "asks": [layout(asks.array(i)) for i in asks.indices()],
        }

    def string(self, key):
        text = self.get(key, "a string", as_string)
        if text == "":
            self.refuse(key, "is empty")
        return text

    def one_of(self, key, *words):
        noun = " or ".join(f'"{word}"' for word in words)
        return self.get(key, noun, lambda value: value if as_string(value) in words else None)

    def boolean(self, key):
        return self.get(key, "true or false", lambda value: value if isinstance(value, bool) else None)

    def integer(self, key):
        return self.get(key, "a 64-bit integer", lambda value: as_integer(as_number(value)))

    def digits(self, key):
        return self.get(key, "a 64-bit integer in a string", lambda value: as_integer(as_string(value)))

    def number(self, key):
        return self.get(key, "a decimal number", lambda value: as_decimal(as_number(value)))

    def decimal(self, key):
        return self.get(key, "a decimal number in a string", lambda value: as_decimal(as_string(value)))

    def way(self, key):
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key, noun, value):
        self.refuse(key, f"is not {noun}: {excerpt(value)}")

    def refuse(self, key, problem):
        raise ValueError(f'{self.where}: field "{self.way(key)}" {problem}')

    def unknown(self, noun, name):
        raise ValueError(f"{self.where}: unknown {noun} {excerpt(name)}")


def as_string(value):
    return value if type(value) is str else None


def as_number(value):
    return value if type(value) is Number else None


def as_integer(text):
    return int(text) if text and INTEGER.fullmatch(text) and abs(int(text)) < 1 << 63 else None


def as_decimal(text):
    """The same number without an exponent, to the last digit: 1e-06 is 0.000001."""
    match = NUMBER.fullmatch(text or "")
    if match is None or match[1] is None:
        return match and text
    return format(Decimal(text), "f") if abs(int(match[1])) <= MAX_EXPONENT else None


def excerpt(value):
    """The beginning of a value as JSON, whole characters of it."""
    text = as_json(value)
    start = text.encode()[:40].decode(errors="ignore")
    return start if start == text else start + "..."


def as_json(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{as_json(key)}:{as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return value if isinstance(value, Number) else encode(value)
