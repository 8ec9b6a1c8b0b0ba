/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4: settings have types, and doveconf has checked them. */

#include "lib.h"
#include "settings.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "pop3-policy-setting-bounds.h"
#include "pop3-policy-setting-info.h"
#include "doveadm-pop3-policy-settings.h"

int doveadm_pop3_policy_socket(struct event *event, const char **path_r,
			       const char **error_r)
{
	const struct pop3_policy_setting_values *values;
	const char *name;

	if (settings_get(event, &pop3_policy_setting_parser_info, 0, &values,
			 error_r) < 0)
		return -1;
	name = values->pop3_policy_admin_socket;
	if (*name == '\0')
		name = POP3_POLICY_ADMIN_SOCKET_BUILTIN;
	*path_r = *name == '/' ? t_strdup(name) :
		t_strconcat(doveadm_settings->base_dir, "/", name, NULL);
	settings_free(values);
	return 0;
}
