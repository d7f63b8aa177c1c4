/* Calls 2^50 functions without a loop: each of fifty calls the next one twice. */
#include "guest.h"

static volatile uint32_t leaves;

static void leaf(void) { leaves++; }

#define LEVEL(n, below)                                \
	__attribute__((noinline)) static void f##n(void) { \
		below();                                       \
		below();                                       \
	}
#define TEN(tens, below)           \
	LEVEL(tens##0, below)          \
	LEVEL(tens##1, f##tens##0)     \
	LEVEL(tens##2, f##tens##1)     \
	LEVEL(tens##3, f##tens##2)     \
	LEVEL(tens##4, f##tens##3)     \
	LEVEL(tens##5, f##tens##4)     \
	LEVEL(tens##6, f##tens##5)     \
	LEVEL(tens##7, f##tens##6)     \
	LEVEL(tens##8, f##tens##7)     \
	LEVEL(tens##9, f##tens##8)

TEN(1, leaf)
TEN(2, f19)
TEN(3, f29)
TEN(4, f39)
TEN(5, f49)

static void attack(uint64_t millions) {
	(void)millions;
	f59();
}
