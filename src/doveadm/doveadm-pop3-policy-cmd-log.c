/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* log: what happened to a user's mail, to a message, in a session. */

#include "lib.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-print.h"
#include "doveadm-pop3-policy-time.h"

#define LOG_DEFAULT_LIMIT 100
/* when, who, what */
#define LOG_PLAIN_COLUMNS 3

static void cmd_log(struct doveadm_cmd_context *cctx)
{
	struct pop3_policy_wire_message *reply;
	const char *user = NULL, *message_id = NULL, *session = NULL;
	int64_t limit = LOG_DEFAULT_LIMIT;

	(void)doveadm_cmd_param_str(cctx, "user", &user);
	(void)doveadm_cmd_param_str(cctx, "message-id", &message_id);
	(void)doveadm_cmd_param_str(cctx, "session", &session);
	(void)doveadm_cmd_param_int64(cctx, "limit", &limit);
	if ((user == NULL && message_id == NULL && session == NULL) ||
	    limit <= 0)
		help_ver2(cctx->cmd);

	const char *args[] = {
		user, doveadm_pop3_policy_time(cctx, "since"),
		doveadm_pop3_policy_time(cctx, "until"), message_id, session,
		dec2str(limit)
	};

	doveadm_print_init(DOVEADM_PRINT_TYPE_FLOW);
	if (doveadm_pop3_policy_call("log", args, N_ELEMENTS(args),
				     &reply) < 0)
		return;
	doveadm_pop3_policy_print_headers(reply, FALSE, LOG_PLAIN_COLUMNS);
	doveadm_pop3_policy_print_rows(reply, NULL, "");
	pop3_policy_wire_message_free(&reply);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_log = {
	.name = "pop3-policy log",
	.cmd = cmd_log,
	.usage = "[-u <user>] [-m <message-id>] [-s <session>] "
		"[-a <since>] [-b <until>] [-l <lines>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('u', "user", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('m', "message-id", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('s', "session", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('a', "since", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('b', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('l', "limit", CMD_PARAM_INT64, 0)
DOVEADM_CMD_PARAMS_END
};
