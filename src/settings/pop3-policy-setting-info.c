/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str-parse.h"
#include "settings-parser.h"
#include "pop3-policy-address.h"
#include "pop3-policy-setting-bounds.h"
#include "pop3-policy-setting-info.h"

/* doveconf checks texts before their variables are known. */
static bool has_variables(const char *text)
{
	return strstr(text, "%{") != NULL;
}

/* The time is parsed here rather than by its type, whose errors do not say
   what is allowed. */
static bool
pop3_policy_setting_values_check(void *_set, pool_t pool,
				 const char **error_r)
{
	struct pop3_policy_setting_values *set = _set;
	struct pop3_policy_address address;
	const char *error;

	if (str_parse_get_interval_msecs(set->pop3_policy_timeout,
					 &set->timeout_msecs, &error) < 0 ||
	    set->timeout_msecs < POP3_POLICY_TIMEOUT_MIN_MSECS ||
	    set->timeout_msecs > POP3_POLICY_TIMEOUT_MAX_MSECS) {
		*error_r = p_strdup_printf(
			pool, "pop3_policy_timeout: \"%s\" is not "
			POP3_POLICY_TIMEOUT_ALLOWED, set->pop3_policy_timeout);
		return FALSE;
	}
	if (*set->pop3_policy_notice_from != '\0' &&
	    !has_variables(set->pop3_policy_notice_from) &&
	    pop3_policy_address_parse(set->pop3_policy_notice_from,
				      &address) < 0) {
		*error_r = p_strdup_printf(
			pool, "pop3_policy_notice_from: \"%s\" is not "
			POP3_POLICY_ADDRESS_ALLOWED,
			set->pop3_policy_notice_from);
		return FALSE;
	}
	return TRUE;
}

#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type(#name, name, \
				     struct pop3_policy_setting_values)

static const struct setting_define pop3_policy_setting_defines[] = {
	DEF(STR, pop3_policy_socket),
	DEF(STR, pop3_policy_admin_socket),
	DEF(STR, pop3_policy_timeout),
	DEF(STR, pop3_policy_notice_dir),
	DEF(STR, pop3_policy_notice_from),

	SETTING_DEFINE_LIST_END
};

static const struct pop3_policy_setting_values pop3_policy_setting_defaults = {
	.pop3_policy_socket = POP3_POLICY_SOCKET_BUILTIN,
	.pop3_policy_admin_socket = POP3_POLICY_ADMIN_SOCKET_BUILTIN,
	.pop3_policy_timeout = POP3_POLICY_TIMEOUT_BUILTIN,
	.pop3_policy_notice_dir = POP3_POLICY_NOTICE_DIR_BUILTIN,
	.pop3_policy_notice_from = POP3_POLICY_NOTICE_FROM_BUILTIN,
};

const struct setting_parser_info pop3_policy_setting_parser_info = {
	.name = "pop3_policy",

	.defines = pop3_policy_setting_defines,
	.defaults = &pop3_policy_setting_defaults,

	.struct_size = sizeof(struct pop3_policy_setting_values),
	.pool_offset1 = 1 + offsetof(struct pop3_policy_setting_values, pool),

	.check_func = pop3_policy_setting_values_check,
};
