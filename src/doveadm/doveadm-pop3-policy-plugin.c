/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "doveadm.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"

struct event *doveadm_pop3_policy_event;

const char *doveadm_pop3_policy_plugin_version = DOVECOT_ABI_VERSION;

static struct doveadm_cmd_ver2 *const commands[] = {
	&doveadm_pop3_policy_cmd_show,
	&doveadm_pop3_policy_cmd_set,
	&doveadm_pop3_policy_cmd_unset,
	&doveadm_pop3_policy_cmd_presets,
	&doveadm_pop3_policy_cmd_status,
	&doveadm_pop3_policy_cmd_expire,
	&doveadm_pop3_policy_cmd_log,
	&doveadm_pop3_policy_cmd_restore,
	&doveadm_pop3_policy_cmd_pause,
	&doveadm_pop3_policy_cmd_resume,
	&doveadm_pop3_policy_cmd_confirm,
	&doveadm_pop3_policy_cmd_breaker,
	&doveadm_pop3_policy_cmd_verify,
	&doveadm_pop3_policy_cmd_rotate_key,
	&doveadm_pop3_policy_cmd_schema,
	/* the longer names first */
	&doveadm_pop3_policy_cmd_convert,
	&doveadm_pop3_policy_cmd_export,
	&doveadm_pop3_policy_cmd_drop,
	&doveadm_pop3_policy_cmd_uninstall,
};

void doveadm_pop3_policy_plugin_init(struct module *module ATTR_UNUSED)
{
	unsigned int i;

	doveadm_pop3_policy_event = event_create(NULL);
	event_set_append_log_prefix(doveadm_pop3_policy_event,
				    "pop3-policy: ");
	for (i = 0; i < N_ELEMENTS(commands); i++)
		doveadm_cmd_register_ver2(commands[i]);
}

void doveadm_pop3_policy_plugin_deinit(void)
{
	doveadm_pop3_policy_call_deinit();
	event_unref(&doveadm_pop3_policy_event);
}
