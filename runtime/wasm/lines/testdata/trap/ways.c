// More functions that trap, each behind code of another shape.
#include <stddef.h>
#include <string.h>

#include "inline.h"

#define EXPORT(name) __attribute__((export_name(#name))) int name(void)

// Jumps through a table, in a loop.
EXPORT(machine) {
	int state = zero, sum = 0;
	for (int turn = 0;; turn++) {
		switch (state) {
		case 0:
			sum += turn;
			state = turn > 7 ? 4 : 1;
			break;
		case 1:
			sum ^= twice(turn);
			state = turn & 1 ? 2 : 3;
			continue;
		case 2:
			sum -= five;
			state = 3;
			break;
		case 3:
			state = sum & 1 ? 5 : 0;
			break;
		case 4:
			sum += divide(sum, zero);
			return sum;
		default:
			sum *= 3;
			state = 0;
		}
		if (turn == 90 + five)
			return sum;
	}
}

// Begins its loop again by a jump through a table.
EXPORT(skipping) {
	int sum = zero;
	for (;;) {
		switch (five + (sum++ & 7)) {
		case 5:
		case 7:
		case 8:
			continue;
		case 6:
			sum++;
			continue;
		case 9:
			if (sum > 100)
				return divide(sum, zero);
			continue;
		case 10:
			sum += 3;
			continue;
		default:
			sum += 2;
		}
	}
}

// Jumps between stretches of code of which none is a loop of its own: compilers
// put them into one loop, whose beginning finds the stretch that is next.
static int pick(int a) { return (a * 7 + five) % 3; }

static volatile int tangle;

__attribute__((noinline)) static void entangle(int sum) {
	switch (pick(sum)) {
	case 0:
		goto first;
	case 1:
		goto second;
	default:
		goto third;
	}
first:
	sum += five;
	if (sum > 300)
		tangle = divide(sum, zero);
	if (pick(sum) == 0)
		goto second;
	goto third;
second:
	sum += five * 2;
	tangle = twice(sum);
	if (pick(sum) == 1)
		goto first;
	if (sum < 150)
		goto second;
third:
	for (int i = sum; i % 8 != 0; i++)
		sum += pick(i);
	if (sum % 5 == 2)
		goto second;
	sum += 7;
	goto first;
}

EXPORT(entangled) {
	entangle(five);
	return tangle;
}

// Loops in each other, more than metering leaves for refuelling.
#define ONCE(i) for (int i = zero; i < five - 4; i++)

EXPORT(nested) {
	int sum = 0;
	ONCE(a) ONCE(b) ONCE(c) ONCE(d) ONCE(e) ONCE(f) ONCE(g) ONCE(h) ONCE(i)
	ONCE(j) ONCE(k) ONCE(l) ONCE(m) ONCE(n) ONCE(o) ONCE(p) ONCE(q) {
		for (int r = 0; r < 30; r++)
			sum += twice(r);
		if (sum > 20)
			sum += divide(sum, zero);
	}
	return sum;
}

// Leaves loops in loops by conditions.
static int search(int from) {
	for (int i = from; i < 40; i++) {
		for (int j = i; j < 40; j += five) {
			if (i * j == 7 * zero + 37)
				break;
			if (i * j == 374)
				return divide(i, zero);
			for (int k = zero; k < j; k++)
				if (k + i == 77)
					return k;
		}
	}
	return -1;
}

EXPORT(searching) {
	int found = search(five);
	return found + search(found);
}

static char buffer[4096];

// Instructions that work on a length, the last of them beyond the memory.
EXPORT(filling) {
	size_t n = 16;
	for (;;) {
		memset(buffer, five, n < sizeof buffer ? n : sizeof buffer);
		memset(buffer + n, zero,
		       n);
		n *= 2;
	}
}

EXPORT(copying) {
	for (size_t n = 8;; n *= 4) {
		memcpy(buffer + five, buffer + 2048, 8);
		memmove(buffer, buffer + five,
		        n);
	}
}

EXPORT(growing) {
	int pages = 0;
	while (__builtin_wasm_memory_grow(0, five) != (size_t)-1 && pages < 50)
		pages += five;
	return divide(pages, zero);
}

// Is called by itself, with a frame each, and by way of a table.
static int (*volatile next)(int);

static int descend(int a) {
	int here[8];
	for (int i = 0; i < 8; i++)
		here[i] = a + i * five;
	if (a > 12)
		return divide(here[a & 7], zero);
	return next(a + 3) + here[five];
}

EXPORT(descending) {
	next = descend;
	return descend(zero);
}

// Gives two values, with flags that allow for it, and calls itself.
struct pair {
	long long a, b;
};

static __attribute__((noinline)) struct pair split(long long a) {
	struct pair p = {a / (zero + 3), a % (zero + five)};
	if (p.a > 30)
		p.b = p.a % zero;
	for (int i = 0; i < 3; i++)
		p.b += twice(i);
	if (a > five) {
		struct pair q = split(a - five * 2);
		p.a += q.a;
	}
	return p;
}

EXPORT(splitting) {
	long long sum = 0;
	for (int i = 0; i < 200; i++) {
		struct pair p = split(i);
		sum += p.a * p.b;
	}
	return (int)sum;
}
