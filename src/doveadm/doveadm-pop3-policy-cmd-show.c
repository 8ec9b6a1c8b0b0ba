/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* show: the effective policy of users, or what scopes set. presets: the
   presets. */

#include "lib.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-print.h"
#include "doveadm-pop3-policy-users.h"

/* Rows that are asked for at a time. */
#define SHOW_SCOPES_LIMIT 10000

static int show_user(const char *function, const char *user, bool many)
{
	struct pop3_policy_wire_message *reply;

	if (doveadm_pop3_policy_call(function, &user, 1, &reply) < 0)
		return -1;
	doveadm_pop3_policy_print_headers(reply, many, 0);
	doveadm_pop3_policy_print_rows(reply, many ? user : NULL, "");
	pop3_policy_wire_message_free(&reply);
	return 0;
}

static void show_users(struct doveadm_cmd_context *cctx, const char *function)
{
	const char *const *users;
	pool_t pool;
	bool many;
	int ret;

	pool = pool_alloconly_create("pop3 policy users", 1024);
	ret = doveadm_pop3_policy_users(cctx, pool, &users, &many);
	for (; ret == 0 && *users != NULL; users++) T_BEGIN {
		ret = show_user(function, *users, many);
	} T_END;
	pool_unref(&pool);
}

static void show_scopes(const char *mask)
{
	struct pop3_policy_wire_message *reply;
	unsigned int offset = 0, count;

	do {
		const char *args[] = {
			mask, dec2str(SHOW_SCOPES_LIMIT), dec2str(offset)
		};

		if (doveadm_pop3_policy_call("policies", args,
					     N_ELEMENTS(args), &reply) < 0)
			return;
		count = reply->item_count;
		doveadm_pop3_policy_print(reply);
		pop3_policy_wire_message_free(&reply);
		offset += count;
	} while (count == SHOW_SCOPES_LIMIT);
}

static void cmd_show(struct doveadm_cmd_context *cctx)
{
	const char *mask = NULL;
	bool explain = FALSE;

	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	(void)doveadm_cmd_param_bool(cctx, "explain", &explain);
	(void)doveadm_cmd_param_str(cctx, "scope", &mask);
	if (doveadm_pop3_policy_has_users(cctx) && mask == NULL)
		show_users(cctx, explain ? "explain" : "show");
	else if (!doveadm_pop3_policy_has_users(cctx) && !explain)
		show_scopes(mask);
	else
		help_ver2(cctx->cmd);
}

static void cmd_presets(struct doveadm_cmd_context *cctx ATTR_UNUSED)
{
	struct pop3_policy_wire_message *reply;

	/* the values are long */
	doveadm_print_init(DOVEADM_PRINT_TYPE_PAGER);
	if (doveadm_pop3_policy_call("presets", NULL, 0, &reply) < 0)
		return;
	doveadm_pop3_policy_print(reply);
	pop3_policy_wire_message_free(&reply);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_show = {
	.name = "pop3-policy show",
	.cmd = cmd_show,
	.usage = DOVEADM_POP3_POLICY_USER_USAGE" [-e] | [<scope>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_USER_PARAMS
DOVEADM_CMD_PARAM('e', "explain", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "scope", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_presets = {
	.name = "pop3-policy presets",
	.cmd = cmd_presets,
	.usage = "",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAMS_END
};
