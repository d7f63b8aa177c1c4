/* table.h: tables, which C does not have. TABLE(n) defines one, and grow_n(by) that grows it. */
#ifndef TABLE_H
#define TABLE_H

#include "guest.h"

#define TABLE(n)                                                                                             \
	__asm__(".tabletype table_" #n ", funcref\n.globl table_" #n "\ntable_" #n ":\n");                       \
	static inline int32_t grow_##n(uint32_t by) {                                                            \
		int32_t was;                                                                                         \
		__asm__ volatile("ref.null_func\nlocal.get %1\ntable.grow table_" #n "\nlocal.set %0" : "=r"(was) : "r"(by)); \
		return was;                                                                                          \
	}

#endif
