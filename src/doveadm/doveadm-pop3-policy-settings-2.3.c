/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.3: settings are texts in plugin {}. */

#include "lib.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "pop3-policy-setting-bounds.h"
#include "doveadm-pop3-policy-settings.h"

int doveadm_pop3_policy_socket(struct event *event ATTR_UNUSED,
			       const char **path_r,
			       const char **error_r ATTR_UNUSED)
{
	const char *name = doveadm_plugin_getenv("pop3_policy_admin_socket");

	if (name == NULL || *name == '\0')
		name = POP3_POLICY_ADMIN_SOCKET_BUILTIN;
	*path_r = *name == '/' ? t_strdup(name) :
		t_strconcat(doveadm_settings->base_dir, "/", name, NULL);
	return 0;
}
