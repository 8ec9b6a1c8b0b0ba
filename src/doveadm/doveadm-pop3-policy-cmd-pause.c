/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* pause, resume: stop all removals by policy. breaker, confirm: what stops too
   many of them. All of them print where that stands. */

#include "lib.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-print.h"

/* function may be NULL */
static void pause_run(const char *function, const char *const *args,
		      unsigned int arg_count)
{
	struct pop3_policy_wire_message *reply;

	doveadm_print_init(DOVEADM_PRINT_TYPE_FLOW);
	if (function != NULL) {
		if (doveadm_pop3_policy_call(function, args, arg_count,
					     &reply) < 0)
			return;
		pop3_policy_wire_message_free(&reply);
	}
	if (doveadm_pop3_policy_call("control", NULL, 0, &reply) < 0)
		return;
	doveadm_pop3_policy_print(reply);
	pop3_policy_wire_message_free(&reply);
}

static void cmd_pause(struct doveadm_cmd_context *cctx)
{
	const char *reason = NULL;

	(void)doveadm_cmd_param_str(cctx, "reason", &reason);
	pause_run("pause", &reason, 1);
}

static void cmd_resume(struct doveadm_cmd_context *cctx ATTR_UNUSED)
{
	pause_run("resume", NULL, 0);
}

static void cmd_confirm(struct doveadm_cmd_context *cctx ATTR_UNUSED)
{
	pause_run("confirm", NULL, 0);
}

static void cmd_breaker(struct doveadm_cmd_context *cctx)
{
	const char *args[] = { NULL, NULL };

	(void)doveadm_cmd_param_str(cctx, "percent", &args[0]);
	(void)doveadm_cmd_param_str(cctx, "min", &args[1]);
	if (args[0] == NULL && args[1] == NULL)
		pause_run(NULL, NULL, 0);
	else
		pause_run("breaker", args, N_ELEMENTS(args));
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_pause = {
	.name = "pop3-policy pause",
	.cmd = cmd_pause,
	.usage = "[<reason>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('\0', "reason", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_resume = {
	.name = "pop3-policy resume",
	.cmd = cmd_resume,
	.usage = "",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_confirm = {
	.name = "pop3-policy confirm",
	.cmd = cmd_confirm,
	.usage = "",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_breaker = {
	.name = "pop3-policy breaker",
	.cmd = cmd_breaker,
	.usage = "[-p <percent>] [-m <messages>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('p', "percent", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('m', "min", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};
