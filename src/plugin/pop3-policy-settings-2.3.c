/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.3: settings are texts in plugin {}, which nobody has checked. */

#include "lib.h"
#include "settings-parser.h"
#include "mail-user.h"
#include "pop3-policy-address.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-setting-bounds.h"
#include "pop3-policy-settings.h"

int pop3_policy_settings_get(struct mail_user *user,
			     struct pop3_policy_settings *set_r,
			     const char **error_r)
{
	struct pop3_policy_address address;
	const char *value, *error;

	i_zero(set_r);
	value = mail_user_plugin_getenv(user, "pop3_policy_socket");
	if (value == NULL || *value == '\0')
		value = POP3_POLICY_SOCKET_BUILTIN;
	set_r->socket_path = *value == '/' ? p_strdup(user->pool, value) :
		p_strconcat(user->pool, pop3_policy_compat_base_dir(user),
			    "/", value, NULL);

	value = mail_user_plugin_getenv(user, "pop3_policy_timeout");
	if (value == NULL || *value == '\0')
		value = POP3_POLICY_TIMEOUT_BUILTIN;
	if (settings_get_time_msecs(value, &set_r->timeout_msecs, &error) < 0 ||
	    set_r->timeout_msecs < POP3_POLICY_TIMEOUT_MIN_MSECS ||
	    set_r->timeout_msecs > POP3_POLICY_TIMEOUT_MAX_MSECS) {
		*error_r = t_strdup_printf(
			"pop3_policy_timeout: \"%s\" is not "
			POP3_POLICY_TIMEOUT_ALLOWED, value);
		return -1;
	}

	value = mail_user_plugin_getenv(user, "pop3_policy_notice_dir");
	if (value == NULL || *value == '\0')
		value = POP3_POLICY_NOTICE_DIR_BUILTIN;
	set_r->notice_dir = *value == '/' ? p_strdup(user->pool, value) :
		p_strconcat(user->pool, POP3_POLICY_DATADIR"/", value, NULL);

	value = mail_user_plugin_getenv(user, "pop3_policy_notice_from");
	if (value == NULL || *value == '\0')
		value = POP3_POLICY_NOTICE_FROM_BUILTIN;
	if (pop3_policy_address_parse(value, &address) < 0) {
		*error_r = t_strdup_printf(
			"pop3_policy_notice_from: \"%s\" is not "
			POP3_POLICY_ADDRESS_ALLOWED, value);
		return -1;
	}
	set_r->notice_from = p_strdup(user->pool, value);
	return 0;
}
