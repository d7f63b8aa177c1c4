/* Grows a table, and goes on asking when it is refused. */
#include "table.h"

TABLE(0)

static void attack(uint64_t millions) {
	(void)millions;
	for (;;) {
		grow_0(1000);
	}
}
