/* What the tokenizer and the regular expressions read, a line of it a line here. The tests read it, too. */
#ifndef TEXT_H
#define TEXT_H

static const char text[] =
	"/* An order book keeps the best prices of a market, bids falling and asks rising. */\n"
	"struct level { double price; double size; };\n"
	"struct book { struct level bids[400], asks[400]; int depth; long updated_at; };\n"
	"\n"
	"static const char *venues[] = { \"binance\", \"okx\", \"deribit\", \"a \\\"quoted\\\" one\" };\n"
	"\n"
	"int insert(struct book *book, struct level *side, double price, double size) {\n"
	"  int at = 0;\n"
	"  while (at < book->depth && side[at].price > price) at++;\n"
	"  if (at == book->depth || side[at].price != price) {\n"
	"    if (book->depth >= 400) return -1; // full: the worst level would have to go\n"
	"    for (int i = book->depth; i > at; i--) side[i] = side[i - 1];\n"
	"    book->depth += 1;\n"
	"  }\n"
	"  side[at].price = price;\n"
	"  side[at].size = size;\n"
	"  return at;\n"
	"}\n"
	"\n"
	"2026-11-23T09:14:07.122Z info  gateway: GET /v1/books/BTC-USDT?depth=20 200 1.84ms\n"
	"2026-11-23T09:14:07.381Z warn  feed: gap of 3 updates, asking for a snapshot of ETH-PERP\n"
	"2026-11-23T09:14:08.006Z error feed: peer 10.4.17.203 closed the connection, code=1006\n"
	"2026-11-23T09:14:09.940Z info  gateway: POST /v1/orders 422 0.61ms id=7f3a90c2\n"
	"\n"
	"double mid(const struct book *book) {\n"
	"  const double half = 0.5e0, scale = 1e-8, mask = 0x7fff;\n"
	"  double sum = book->bids[0].price + book->asks[0].price;\n"
	"  return sum * half + (double)(((int)mask >> 15) << 2) * scale; /* the shift gives 0 */\n"
	"}\n"
	"\n"
	"mail ops@example.org or desk+night@example.org; the aaaaaaaaaaaaaaaaaaaaaaaa line is hard to give up\n";

#endif
