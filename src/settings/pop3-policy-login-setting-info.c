/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "settings-parser.h"
#include "pop3-policy-login-setting.h"
#include "pop3-policy-login-setting-info.h"

static bool
pop3_policy_login_setting_values_check(void *_set, pool_t pool,
				       const char **error_r)
{
	const struct pop3_policy_login_setting_values *set = _set;
	const char *arg, *error;

	if (pop3_policy_capa_expire_parse(set->pop3_policy_capa_expire,
					  &arg, &error) < 0 ||
	    pop3_policy_capa_login_delay_parse(
			set->pop3_policy_capa_login_delay, &arg, &error) < 0) {
		*error_r = p_strdup(pool, error);
		return FALSE;
	}
	return TRUE;
}

#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type(#name, name, \
				     struct pop3_policy_login_setting_values)

static const struct setting_define pop3_policy_login_setting_defines[] = {
	DEF(STR, pop3_policy_capa_expire),
	DEF(STR, pop3_policy_capa_login_delay),

	SETTING_DEFINE_LIST_END
};

static const struct pop3_policy_login_setting_values
pop3_policy_login_setting_defaults = {
	.pop3_policy_capa_expire = "",
	.pop3_policy_capa_login_delay = "",
};

const struct setting_parser_info pop3_policy_login_setting_parser_info = {
	.name = "pop3_policy_login",

	.defines = pop3_policy_login_setting_defines,
	.defaults = &pop3_policy_login_setting_defaults,

	.struct_size = sizeof(struct pop3_policy_login_setting_values),
	.pool_offset1 =
		1 + offsetof(struct pop3_policy_login_setting_values, pool),

	.check_func = pop3_policy_login_setting_values_check,
};
