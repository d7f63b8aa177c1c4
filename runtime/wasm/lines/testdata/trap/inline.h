extern volatile int zero, five;

int far_away(int a);

static inline __attribute__((always_inline)) int divide(int a, int b) {
	return a / b;
}

static inline __attribute__((always_inline)) int twice(int a) {
	int half = divide(a, five - 3);
	return half * 4;
}
