/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4: doveconf has checked them. */

#include "lib.h"
#include "settings.h"
#include "master-service.h"
#include "pop3-policy-login-setting.h"
#include "pop3-policy-login-setting-info.h"
#include "pop3-policy-login-settings.h"

void pop3_policy_login_settings_get(struct pop3_policy_login_settings *set_r)
{
	struct event *event = master_service_get_event(master_service);
	const struct pop3_policy_login_setting_values *values;
	const char *error;

	i_zero(set_r);
	if (settings_get(event, &pop3_policy_login_setting_parser_info, 0,
			 &values, &error) < 0) {
		e_error(event, "pop3-policy: %s", error);
		return;
	}
	if (pop3_policy_capa_expire_parse(values->pop3_policy_capa_expire,
					  &set_r->expire, &error) < 0 ||
	    pop3_policy_capa_login_delay_parse(
			values->pop3_policy_capa_login_delay,
			&set_r->login_delay, &error) < 0)
		i_unreached();
	settings_free(values);
}
