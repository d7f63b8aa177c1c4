// Another compile unit, whose functions are called from the first.
#include "inline.h"

static int within(int a) {
	if (a == 0)
		return divide(five, zero);
	return twice(a);
}

int far_away(int a) {
	switch (five) {
	case 5:
		return within(a) + 1;
	default:
		return within(a + 1);
	}
}
