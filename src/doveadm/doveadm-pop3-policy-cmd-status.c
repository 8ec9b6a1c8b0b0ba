/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* status: what is known of users' maildrops. */

#include "lib.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-print.h"
#include "doveadm-pop3-policy-users.h"

/* Users that are asked for at a time. */
#define STATUS_USERS_LIMIT 1000

/* Those the database knows, by a mask. */
static void status_mask(const char *mask)
{
	struct pop3_policy_wire_message *reply;
	const char *after = NULL;
	unsigned int count;

	do {
		const char *args[] = {
			mask, dec2str(STATUS_USERS_LIMIT), after
		};

		if (doveadm_pop3_policy_call("status", args, N_ELEMENTS(args),
					     &reply) < 0)
			return;
		count = reply->item_count;
		doveadm_pop3_policy_print(reply);
		if (count > 0) {
			after = t_strdup(pop3_policy_wire_get_str(
				&reply->items[count - 1], "username"));
		}
		pop3_policy_wire_message_free(&reply);
	} while (count == STATUS_USERS_LIMIT && after != NULL);
}

static void cmd_status(struct doveadm_cmd_context *cctx)
{
	const char *const *users;
	struct istream *input;
	const char *mask;
	pool_t pool;
	bool many;

	if (!doveadm_pop3_policy_has_users(cctx))
		help_ver2(cctx->cmd);
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	if (!doveadm_cmd_param_istream(cctx, "user-file", &input) &&
	    (!doveadm_cmd_param_str(cctx, "user", &mask) ||
	     strpbrk(mask, "*?") != NULL)) {
		if (!doveadm_cmd_param_str(cctx, "user", &mask))
			mask = "*";
		status_mask(mask);
		return;
	}
	pool = pool_alloconly_create("pop3 policy users", 1024);
	if (doveadm_pop3_policy_users(cctx, pool, &users, &many) == 0) {
		for (; *users != NULL; users++)
			status_mask(*users);
	}
	pool_unref(&pool);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_status = {
	.name = "pop3-policy status",
	.cmd = cmd_status,
	.usage = DOVEADM_POP3_POLICY_USER_USAGE,
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_USER_PARAMS
DOVEADM_CMD_PARAMS_END
};
