/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.3: a login process gets Dovecot's own settings and no others. What
   an administrator can hand it is the environment, by import_environment. */

#include "lib.h"
#include "pop3-policy-login-setting.h"
#include "pop3-policy-login-settings.h"

static const char *environment_get(const char *setting)
{
	const char *value = getenv(t_str_ucase(setting));

	return value == NULL ? "" : value;
}

void pop3_policy_login_settings_get(struct pop3_policy_login_settings *set_r)
{
	const char *error;

	if (pop3_policy_capa_expire_parse(
			environment_get(POP3_POLICY_CAPA_EXPIRE),
			&set_r->expire, &error) < 0)
		i_error("pop3-policy: %s", error);
	if (pop3_policy_capa_login_delay_parse(
			environment_get(POP3_POLICY_CAPA_LOGIN_DELAY),
			&set_r->login_delay, &error) < 0)
		i_error("pop3-policy: %s", error);
}
