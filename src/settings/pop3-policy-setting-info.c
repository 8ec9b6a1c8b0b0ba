/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "settings-parser.h"
#include "pop3-policy-setting-bounds.h"
#include "pop3-policy-setting-info.h"

static bool
pop3_policy_setting_values_check(void *_set, pool_t pool ATTR_UNUSED,
				 const char **error_r)
{
	const struct pop3_policy_setting_values *set = _set;

	if (set->pop3_policy_timeout < POP3_POLICY_TIMEOUT_MIN_MSECS ||
	    set->pop3_policy_timeout > POP3_POLICY_TIMEOUT_MAX_MSECS) {
		*error_r = "pop3_policy_timeout is not "
			POP3_POLICY_TIMEOUT_ALLOWED;
		return FALSE;
	}
	return TRUE;
}

#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type(#name, name, \
				     struct pop3_policy_setting_values)

static const struct setting_define pop3_policy_setting_defines[] = {
	DEF(STR, pop3_policy_socket),
	DEF(TIME_MSECS, pop3_policy_timeout),

	SETTING_DEFINE_LIST_END
};

static const struct pop3_policy_setting_values pop3_policy_setting_defaults = {
	.pop3_policy_socket = POP3_POLICY_SOCKET_BUILTIN,
	.pop3_policy_timeout = POP3_POLICY_TIMEOUT_BUILTIN_MSECS,
};

const struct setting_parser_info pop3_policy_setting_parser_info = {
	.name = "pop3_policy",

	.defines = pop3_policy_setting_defines,
	.defaults = &pop3_policy_setting_defaults,

	.struct_size = sizeof(struct pop3_policy_setting_values),
	.pool_offset1 = 1 + offsetof(struct pop3_policy_setting_values, pool),

	.check_func = pop3_policy_setting_values_check,
};
