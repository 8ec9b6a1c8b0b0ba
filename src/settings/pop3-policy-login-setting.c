/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-login-setting.h"

/* as long as the policy's times may be */
#define MAX_DAYS 36525

int pop3_policy_capa_expire_parse(const char *text, const char **arg_r,
				  const char **error_r)
{
	unsigned int days;

	*arg_r = NULL;
	if (*text == '\0')
		return 0;
	if (strcasecmp(text, "never") == 0)
		*arg_r = "NEVER";
	else if (str_to_uint(text, &days) == 0 && days <= MAX_DAYS)
		*arg_r = t_strdup_printf("%u", days);
	else {
		*error_r = t_strdup_printf(POP3_POLICY_CAPA_EXPIRE": \"%s\" "
			"is not a number of days from 0 to %u, nor never",
			text, MAX_DAYS);
		return -1;
	}
	return 0;
}

int pop3_policy_capa_login_delay_parse(const char *text, const char **arg_r,
				       const char **error_r)
{
	unsigned int secs;
	const char *error;

	*arg_r = NULL;
	if (*text == '\0')
		return 0;
	if (pop3_policy_compat_get_interval(text, &secs, &error) < 0 ||
	    secs == 0 || secs / (60*60*24) > MAX_DAYS) {
		*error_r = t_strdup_printf(
			POP3_POLICY_CAPA_LOGIN_DELAY": \"%s\" is not a time "
			"of 1 s or more, such as 10min or 600s", text);
		return -1;
	}
	*arg_r = t_strdup_printf("%u", secs);
	return 0;
}
