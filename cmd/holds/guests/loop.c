/* Loops. */
#include "guest.h"

static void attack(uint64_t millions) { spin(millions); }
