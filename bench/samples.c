/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

double seconds_now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		err(1, "clock_gettime()");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void samples_add(struct samples *samples, double seconds)
{
	if (samples->count == samples->size) {
		samples->size = samples->size == 0 ? 1024 : samples->size * 2;
		samples->values = realloc(samples->values, samples->size *
					  sizeof(*samples->values));
		if (samples->values == NULL)
			err(1, "realloc()");
	}
	samples->values[samples->count++] = seconds;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y ? 1 : 0;
}

double samples_percentile(struct samples *samples, double percent)
{
	size_t idx;

	if (samples->count == 0)
		return 0;
	qsort(samples->values, samples->count, sizeof(*samples->values),
	      compare);
	/* nearest rank */
	idx = (size_t)(percent / 100 * (double)samples->count);
	return samples->values[idx < samples->count ? idx : samples->count - 1];
}

void samples_free(struct samples *samples)
{
	free(samples->values);
	samples->values = NULL;
	samples->count = samples->size = 0;
}
