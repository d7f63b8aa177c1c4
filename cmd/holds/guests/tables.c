/* Grows sixteen tables, and goes on asking when it is refused: what one may have, a module may have of each
 * of its tables. */
#include "table.h"

#define EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)
#define GROW(n) grow_##n(10000);

EACH(TABLE)

static void attack(uint64_t millions) {
	(void)millions;
	for (;;) {
		EACH(GROW)
	}
}
