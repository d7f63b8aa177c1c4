/* silent.c: ends without a look at its input. */
int main(void) { return 0; }
