/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
 *
 * Preloaded into PostgreSQL by tests: shifts the time of day by as many seconds
 * as the file that SHIFT_CLOCK_FILE names says (a 64 bit number, mapped, so
 * that a change of it is a jump of the clock at once). Other clocks go on.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor))
static void shift_clock_init(void)
{
	const char *path = getenv("SHIFT_CLOCK_FILE");
	void *map;
	int fd;

	if (path == NULL || (fd = open(path, O_RDONLY)) < 0)
		return;
	map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		shift = map;
	(void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int ret;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	ret = real(clock, ts);
	if (ret == 0 && shift != NULL &&
	    (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *shift;
	return ret;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *tloc)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return (time_t)-1;
	if (tloc != NULL)
		*tloc = ts.tv_sec;
	return ts.tv_sec;
}
