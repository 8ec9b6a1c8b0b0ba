/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-quota-share.h"

/* The least number that is percent % of limit or more. */
static uint64_t percent_of(uint64_t limit, unsigned int percent)
{
	/* in two parts, so that no product overflows */
	return limit / 100 * percent + (limit % 100 * percent + 99) / 100;
}

unsigned int
pop3_policy_quota_share_level(const char *percents, uint64_t used,
			      uint64_t limit)
{
	const char *const *list;
	unsigned int percent, level = 0;

	if (limit == 0)
		return 0;
	for (list = t_strsplit(percents, ","); *list != NULL; list++) {
		if (str_to_uint(*list, &percent) == 0 &&
		    used >= percent_of(limit, percent))
			level = percent;
	}
	return level;
}
