/* quote: what a basket costs. A handler on values, in JSON:
 *
 *	prismrt call quote --data '{"lines":[{"name":"tea","price_cents":350,"count":2}],"voucher":"TENTH"}'
 *	{"pieces":2,"total_cents":630}
 */
#include "codec.hpp"

#include <vector>

struct Line {
	std::string name;
	int64_t price_cents;
	int64_t count;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Line, name, price_cents, count)

struct Basket {
	std::vector<Line> lines;
	std::string voucher; /* may be left out */
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Basket, lines, voucher)

struct Quote {
	int64_t pieces;
	int64_t total_cents;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Quote, pieces, total_cents)

static prism::Fallible<Quote> quote(const Basket &basket) {
	Quote q{0, 0};
	for (const Line &line : basket.lines) {
		int64_t cents = 0;
		if (line.count < 1 || line.price_cents < 0 || __builtin_mul_overflow(line.count, line.price_cents, &cents) ||
		    __builtin_add_overflow(q.total_cents, cents, &q.total_cents) || __builtin_add_overflow(q.pieces, line.count, &q.pieces)) {
			return prism::fail("nobody sells " + line.name + " like that");
		}
	}
	if (basket.voucher == "TENTH") {
		q.total_cents -= q.total_cents / 10;
	} else if (!basket.voucher.empty()) {
		return prism::fail("there is no voucher " + basket.voucher);
	}
	return q;
}
PRISM_HANDLER(handle, prism::typed<Json>(quote))
