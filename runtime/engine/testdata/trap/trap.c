// A command that traps some calls deep, or never ends, as its input says.
#include <stdio.h>

static inline __attribute__((always_inline)) int ratio(int a, int b) {
	return a / b;
}

__attribute__((noinline)) int average(const int *list, int n) {
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += list[i];
	return ratio(sum, n);
}

__attribute__((noinline)) int spin(int n) {
	volatile int turns = n;
	while (turns != -1)
		turns = (turns + 1) & 0xffff;
	return turns;
}

int main(void) {
	int list[4] = {0};
	int n = 0;
	for (int c; (c = getchar()) != EOF && n < 4; n++)
		list[n] = c;
	if (n > 0)
		return spin(n);
	return average(list, n);
}
