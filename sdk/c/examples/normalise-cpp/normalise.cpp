/* Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one common shape,
 * whichever exchange it came from.
 *
 * The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for each event in it:
 * trade, ticker, book, candle or status; event.hpp has their fields. A message that is not understood fails with what
 * was expected and where. */
#include "exchanges.hpp"
#include "prism.hpp"

/* read_message finds the exchange by the fields only its messages have. */
static void read_message(Message &m) {
	Node top(m);
	if (top.has("jsonrpc")) {
		read_deribit(m, top);
	} else if (top.has("arg") || top.has("event")) {
		read_okx(m, top);
	} else if (top.has("stream") || top.has("e") || top.has("result") || top.has("error") || is_book_ticker(top)) {
		read_binance(m, top);
	} else {
		m.fail("unknown message: no \"stream\", \"arg\" or \"jsonrpc\" field");
	}
}

static prism::Result normalise(std::string_view in) {
	Message m{.text = in, .document = scan(in)};
	if (!m.document.problem.empty()) {
		return prism::fail(std::move(m.document.problem));
	}
	m.out.reserve(in.size() + 256);
	read_message(m);
	if (!m.failure.empty()) {
		return prism::fail(std::move(m.failure));
	}
	return std::move(m.out);
}
PRISM_HANDLER(handle, normalise)
