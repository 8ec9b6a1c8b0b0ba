#ifndef POP3_POLICY_CLOCK_H
#define POP3_POLICY_CLOCK_H

#include <time.h>

/* Nanoseconds of a clock that nobody sets: leases and timeouts must not depend
   on the time of day. */
static inline uint64_t pop3_policy_clock_nsecs(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		i_fatal("clock_gettime(CLOCK_MONOTONIC) failed: %m");
	return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#endif
