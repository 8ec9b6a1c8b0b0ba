/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* set, unset: change what a scope sets. What that changes for users is printed
   before. */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-print.h"

struct set_change {
	const char *scope;
	string_t *names;
	/* NULL: unset */
	string_t *values;
};

static int set_call(const struct set_change *change, const char *function,
		    struct pop3_policy_wire_message **reply_r)
{
	const char *args[] = {
		change->scope, str_c(change->names),
		change->values == NULL ? NULL : str_c(change->values)
	};

	return doveadm_pop3_policy_call(function, args, N_ELEMENTS(args),
					reply_r);
}

/* How many messages become due by it; the rows may be about the same ones. */
static int64_t set_more_due(const struct pop3_policy_wire_message *reply)
{
	int64_t before, after, due = 0;
	unsigned int i;

	for (i = 0; i < reply->item_count; i++) {
		if (pop3_policy_wire_get_int64(&reply->items[i], "due_before",
					       &before) > 0 &&
		    pop3_policy_wire_get_int64(&reply->items[i], "due_after",
					       &after) > 0)
			due = I_MAX(due, after - before);
	}
	return due;
}

static void set_run(struct doveadm_cmd_context *cctx,
		    const struct set_change *change)
{
	struct pop3_policy_wire_message *reply;
	bool dry_run = FALSE, yes = FALSE;
	int64_t due;

	(void)doveadm_cmd_param_bool(cctx, "dry-run", &dry_run);
	(void)doveadm_cmd_param_bool(cctx, "yes", &yes);
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	if (set_call(change, "preview", &reply) < 0)
		return;
	doveadm_pop3_policy_print_headers(reply, FALSE, 0);
	doveadm_pop3_policy_print_rows(reply, NULL, "inherit");
	due = set_more_due(reply);
	pop3_policy_wire_message_free(&reply);

	if (dry_run) {
		e_info(doveadm_pop3_policy_event,
		       "Dry run: nothing was changed");
	} else if (due > 0 && !yes) {
		doveadm_pop3_policy_failed(EX_DATAERR, t_strdup_printf(
			"%"PRId64" messages would be removed at once, by logins "
			"and the next expire: nothing was changed. If that is "
			"meant, say --yes", due));
	} else if (set_call(change, "set", &reply) == 0) {
		pop3_policy_wire_message_free(&reply);
	}
}

static int set_parse(struct set_change *change, const char *arg)
{
	const char *equals = strchr(arg, '=');
	const char *name;

	if (change->values == NULL) {
		if (equals != NULL) {
			doveadm_pop3_policy_failed(EX_USAGE, t_strdup_printf(
				"%s: what to unset has no value", arg));
			return -1;
		}
		name = arg;
	} else {
		if (equals == NULL) {
			doveadm_pop3_policy_failed(EX_USAGE, t_strdup_printf(
				"%s: not of the form parameter=value", arg));
			return -1;
		}
		name = t_strdup_until(arg, equals);
	}
	if (doveadm_pop3_policy_list_add(change->names, name) < 0 ||
	    (change->values != NULL &&
	     doveadm_pop3_policy_list_add(change->values, equals + 1) < 0)) {
		doveadm_pop3_policy_failed(EX_USAGE,
			"A parameter and its value are one line");
		return -1;
	}
	return 0;
}

static void set_cmd(struct doveadm_cmd_context *cctx, bool unset)
{
	struct set_change change;
	const char *const *params;

	i_zero(&change);
	if (!doveadm_cmd_param_str(cctx, "scope", &change.scope) ||
	    !doveadm_cmd_param_array(cctx, "parameter", &params))
		help_ver2(cctx->cmd);
	change.names = t_str_new(128);
	change.values = unset ? NULL : t_str_new(128);
	for (; *params != NULL; params++) {
		if (set_parse(&change, *params) < 0)
			return;
	}
	set_run(cctx, &change);
}

static void cmd_set(struct doveadm_cmd_context *cctx)
{
	set_cmd(cctx, FALSE);
}

static void cmd_unset(struct doveadm_cmd_context *cctx)
{
	set_cmd(cctx, TRUE);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_set = {
	.name = "pop3-policy set",
	.cmd = cmd_set,
	.usage = "[-n|-y] <scope> <parameter>=<value> [...]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('y', "yes", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "scope", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAM('\0', "parameter", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_unset = {
	.name = "pop3-policy unset",
	.cmd = cmd_unset,
	.usage = "[-n|-y] <scope> <parameter> [...]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('y', "yes", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "scope", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAM('\0', "parameter", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
