/**
 * Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one common shape,
 * whichever exchange it came from.
 *
 * The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for each event in it:
 * trade, ticker, book, candle or status; event.ts has their fields. A message that is not understood fails with what was
 * expected and where.
 */
import { OK, fail, input, writeBytes } from "prism";

import { isBookTicker, readBinance } from "./binance";
import { readDeribit } from "./deribit";
import { Scanner } from "./json";
import { Message } from "./node";
import { readOKX } from "./okx";
import { stringOf, textOf } from "./text";

export function handle(): i32 {
  const text = textOf(input());
  const scanner = new Scanner(text);
  if (!scanner.scan()) return fail(scanner.problem);
  const message = new Message(text, scanner.tokens, scanner.escapes);
  read(message);
  if (message.failure != "") return fail(stringOf(message.failure));
  writeBytes(message.out.bytes());
  return OK;
}

/** Finds the exchange by the fields only its messages have. */
function read(m: Message): void {
  const top = m.top();
  if (top.has("jsonrpc")) {
    readDeribit(m, top);
  } else if (top.has("arg") || top.has("event")) {
    readOKX(m, top);
  } else if (top.has("stream") || top.has("e") || top.has("result") || top.has("error") || isBookTicker(top)) {
    readBinance(m, top);
  } else {
    m.fail('unknown message: no "stream", "arg" or "jsonrpc" field');
  }
}
