/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "settings-parser.h"
#include "mail-user.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-settings.h"

#define DEFAULT_SOCKET "pop3-policy"
#define DEFAULT_TIMEOUT_MSECS (5*1000)
#define MIN_TIMEOUT_MSECS 100
#define MAX_TIMEOUT_MSECS (60*1000)

int pop3_policy_settings_get(struct mail_user *user,
			     struct pop3_policy_settings *set_r,
			     const char **error_r)
{
	const char *value, *error;

	i_zero(set_r);
	value = pop3_policy_compat_setting(user, "pop3_policy_socket");
	if (value == NULL || *value == '\0')
		value = DEFAULT_SOCKET;
	set_r->socket_path = *value == '/' ? p_strdup(user->pool, value) :
		p_strconcat(user->pool, pop3_policy_compat_base_dir(user),
			    "/", value, NULL);

	value = pop3_policy_compat_setting(user, "pop3_policy_timeout");
	if (value == NULL || *value == '\0')
		set_r->timeout_msecs = DEFAULT_TIMEOUT_MSECS;
	else if (settings_get_time_msecs(value, &set_r->timeout_msecs,
					 &error) < 0 ||
		 set_r->timeout_msecs < MIN_TIMEOUT_MSECS ||
		 set_r->timeout_msecs > MAX_TIMEOUT_MSECS) {
		*error_r = t_strdup_printf(
			"pop3_policy_timeout: \"%s\" is not a time "
			"between 100 ms and 60 s, such as 5s or 500ms", value);
		return -1;
	}
	return 0;
}
