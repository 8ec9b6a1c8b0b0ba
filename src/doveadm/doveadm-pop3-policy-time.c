/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "doveadm.h"
#include "pop3-policy-compat.h"
#include "doveadm-pop3-policy-time.h"

#include <time.h>

const char *doveadm_pop3_policy_time(struct doveadm_cmd_context *cctx,
				     const char *param)
{
	const char *text, *error;
	struct tm tm;
	time_t at;
	unsigned int secs;
	char buf[64];

	if (!doveadm_cmd_param_str(cctx, param, &text))
		return NULL;
	if (pop3_policy_compat_get_interval(text, &secs, &error) < 0)
		return text;
	at = time(NULL) - (time_t)secs;
	if (gmtime_r(&at, &tm) == NULL ||
	    strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S+00", &tm) == 0)
		return text;
	return t_strdup(buf);
}
