/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4: settings have types, and doveconf has checked them. */

#include "lib.h"
#include "settings.h"
#include "mail-user.h"
#include "pop3-policy-address.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-setting-bounds.h"
#include "pop3-policy-setting-info.h"
#include "pop3-policy-settings.h"

int pop3_policy_settings_get(struct mail_user *user,
			     struct pop3_policy_settings *set_r,
			     const char **error_r)
{
	const struct pop3_policy_setting_values *values;
	struct pop3_policy_address address;
	const char *socket, *dir, *from;
	int ret = 0;

	i_zero(set_r);
	if (settings_get(user->event, &pop3_policy_setting_parser_info, 0,
			 &values, error_r) < 0)
		return -1;
	socket = values->pop3_policy_socket;
	if (*socket == '\0')
		socket = POP3_POLICY_SOCKET_BUILTIN;
	set_r->socket_path = *socket == '/' ? p_strdup(user->pool, socket) :
		p_strconcat(user->pool, pop3_policy_compat_base_dir(user),
			    "/", socket, NULL);
	set_r->timeout_msecs = values->timeout_msecs;
	dir = values->pop3_policy_notice_dir;
	if (*dir == '\0')
		dir = POP3_POLICY_NOTICE_DIR_BUILTIN;
	set_r->notice_dir = *dir == '/' ? p_strdup(user->pool, dir) :
		p_strconcat(user->pool, POP3_POLICY_DATADIR"/", dir, NULL);
	from = values->pop3_policy_notice_from;
	if (*from == '\0')
		from = POP3_POLICY_NOTICE_FROM_BUILTIN;
	set_r->notice_from = p_strdup(user->pool, from);
	/* with the user's variables in it, it has not been checked yet */
	if (pop3_policy_address_parse(from, &address) < 0) {
		*error_r = t_strdup_printf(
			"pop3_policy_notice_from: \"%s\" is not "
			POP3_POLICY_ADDRESS_ALLOWED, from);
		ret = -1;
	}
	settings_free(values);
	return ret;
}
