/* wait.h: sleeping, below the C library, which would begin again when a sleep ended early. */
#ifndef WAIT_H
#define WAIT_H

#include <wasi/api.h>

#include "guest.h"

/* Sleeps for 292 years, or until the host has enough of it. */
static inline void wait_for_ever(void) {
	const __wasi_subscription_t subscription = {
		.u = {.tag = __WASI_EVENTTYPE_CLOCK,
			  .u = {.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = INT64_MAX}}},
	};
	__wasi_event_t event;
	__wasi_size_t events;
	(void)!__wasi_poll_oneoff(&subscription, &event, 1, &events);
}

#endif
