/* Normalise is a sample plugin: it turns one message as a crypto exchange sent it into events of one
 * common shape, whichever exchange it came from.
 *
 * The input is one JSON message of Binance, OKX or Deribit. The output is one JSON object a line for
 * each event in it: trade, ticker, book, candle or status; event.h has their fields. A message that is
 * not understood fails with what was expected and where. */
#include "exchanges.h"
#include "prism.h"

/* read_message finds the exchange by the fields only its messages have. */
static void read_message(struct message *m) {
	struct node top = top_node(m);
	if (has(&top, "jsonrpc")) {
		read_deribit(m, &top);
	} else if (has(&top, "arg") || has(&top, "event")) {
		read_okx(m, &top);
	} else if (has(&top, "stream") || has(&top, "e") || has(&top, "result") || has(&top, "error") ||
			is_book_ticker(&top)) {
		read_binance(m, &top);
	} else {
		message_fail(m, "unknown message: no \"stream\", \"arg\" or \"jsonrpc\" field");
	}
}

PRISM_EXPORT("handle") int32_t handle(void) {
	struct message m = {0};
	char *in = prism_input(&m.text.length);
	if (in == NULL) {
		return prism_fail("the input could not be read");
	}
	m.text.at = in;

	struct json_problem problem = json_scan(m.text, &m.tokens);
	if (problem.what == NULL) {
		read_message(&m);
	} else {
		message_not_json(&m, problem);
	}
	int32_t status = m.failed;
	if (m.failed) {
		prism_host_fail(m.failure, (uint32_t)m.failure_length);
	} else {
		prism_write(m.out.at, m.out.length);
	}
	message_free(&m);
	free(in);
	return status;
}
