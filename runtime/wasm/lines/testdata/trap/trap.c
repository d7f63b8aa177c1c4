// Functions that trap, each in its way and some calls deep.
#include <stdlib.h>

#include "inline.h"

#define EXPORT(name) __attribute__((export_name(#name))) int name(void)

volatile int zero;
volatile int five = 5;

// Nothing calls it: the linker removes it, but not what describes it.
int removed(int a) {
	return twice(a) + divide(a, five);
}

__attribute__((noinline)) static int outer(int a) {
	int sum = 0;
	for (int i = 0; i < five; i++) {
		sum += twice(a + i);
		if (i == 3)
			sum += divide(a, zero);
	}
	return sum;
}

EXPORT(division) {
	int a = outer(five);
	return a + outer(a);
}

static int fall(int a) {
	if (a > 3)
		__builtin_trap();
	return twice(a);
}

EXPORT(unreachable) {
	int sum = 0;
	for (int i = 0; i < 9; i++)
		for (int j = 0; j < five; j++)
			sum += fall(i + j - zero);
	return sum;
}

static int compare(const void *a, const void *b) {
	const int *x = a, *y = b;
	return *x == five ? divide(*y, zero) : *x - *y;
}

EXPORT(sorting) {
	int list[] = {9, 3, five, 7, 1, 8, 2, 6, 4};
	qsort(list, sizeof list / sizeof *list, sizeof *list, compare);
	return list[five];
}

EXPORT(bounds) {
	int *far = (int *)0xfffffff0;
	return far[zero] + twice(five);
}

static void *(*volatile call)(void *) = (void *(*)(void *))compare;

EXPORT(mismatch) {
	return call(NULL) == NULL;
}

__attribute__((noinline)) int deeper(int a) {
	volatile int here[4096];
	here[a % 7] = a;
	return deeper(a + here[a % 7]) + far_away(a);
}

EXPORT(recursion) { return deeper(five); }

EXPORT(elsewhere) { return far_away(zero); }
