// A program that burns fuel in three functions: 60, 30 and 10 hundredths of it. Its
// input is a letter for each function that is called, and the number of turns.
#include <stdint.h>
#include <unistd.h>

#define BURNS(name, factor)                                                                         \
	__attribute__((noinline)) uint32_t name(uint32_t turns) {                                   \
		uint32_t x = turns;                                                                 \
		for (uint32_t i = 0; i < turns; i++)                                                \
			x = (x ^ (x >> 7)) * factor + i;                                            \
		return x;                                                                           \
	}

BURNS(parse_price, 1664525)
BURNS(checksum, 22695477)
BURNS(render, 1103515245)

volatile uint32_t sink;

int main(void) {
	char input[32];
	ssize_t length = read(0, input, sizeof input);
	uint32_t turns = 0;
	for (ssize_t i = 0; i < length; i++)
		if (input[i] >= '0' && input[i] <= '9')
			turns = turns * 10 + (uint32_t)(input[i] - '0');
	for (ssize_t i = 0; i < length; i++) {
		if (input[i] == 'p')
			sink += parse_price(6 * turns);
		if (input[i] == 'c')
			sink += checksum(3 * turns);
		if (input[i] == 'r')
			sink += render(turns);
	}
	return 0;
}
