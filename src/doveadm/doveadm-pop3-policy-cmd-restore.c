/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* restore: hidden messages back into the view. The mailbox is opened only where
   a search query says which. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-namespace.h"
#include "mail-search.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "doveadm.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-time.h"

struct restore_context {
	struct doveadm_mail_cmd_context ctx;
	const char *message_id, *session, *since, *until;
	/* no option says which messages, so all have to be asked for */
	bool all;
};

static int
restore_search(struct restore_context *ctx, struct mail_user *user,
	       ARRAY_TYPE(seq_range) *uids)
{
	struct mail_namespace *ns = mail_namespace_find_inbox(user->namespaces);
	struct mailbox_transaction_context *t;
	struct mail_search_context *search_ctx;
	struct mailbox *box;
	struct mail *mail;
	int ret;

	box = mailbox_alloc(ns->list, "INBOX", MAILBOX_FLAG_READONLY |
			    MAILBOX_FLAG_IGNORE_ACLS);
	ret = mailbox_sync(box, MAILBOX_SYNC_FLAG_FULL_READ);
	if (ret == 0) {
		mail_search_args_init(ctx->ctx.search_args, box, FALSE, NULL);
		t = mailbox_transaction_begin(box, 0,
					      "doveadm pop3-policy restore");
		search_ctx = mailbox_search_init(t, ctx->ctx.search_args, NULL,
						 0, NULL);
		while (mailbox_search_next(search_ctx, &mail))
			seq_range_array_add(uids, mail->uid);
		ret = mailbox_search_deinit(&search_ctx);
		if (mailbox_transaction_commit(&t) < 0)
			ret = -1;
		mail_search_args_deinit(ctx->ctx.search_args);
	}
	if (ret < 0) {
		e_error(doveadm_pop3_policy_event, "INBOX of %s: %s",
			user->username,
			mailbox_get_last_internal_error(box, NULL));
		doveadm_mail_failed_mailbox(&ctx->ctx, box);
	}
	mailbox_free(&box);
	return ret;
}

static const char *
restore_count(const struct pop3_policy_wire_message *reply)
{
	const char *columns = pop3_policy_wire_get_str(&reply->head,
						       "columns");
	const char *count = reply->item_count == 0 || columns == NULL ? NULL :
		pop3_policy_wire_get_str(&reply->items[0], columns);

	return count == NULL ? "0" : count;
}

static int
restore_run(struct doveadm_mail_cmd_context *_ctx, struct mail_user *user)
{
	struct restore_context *ctx =
		container_of(_ctx, struct restore_context, ctx);
	struct pop3_policy_wire_message *reply;
	ARRAY_TYPE(seq_range) uids;
	string_t *set = NULL;

	if (_ctx->search_args != NULL) {
		t_array_init(&uids, 32);
		if (restore_search(ctx, user, &uids) < 0)
			return -1;
		set = t_str_new(128);
		pop3_policy_uidset_append(set, &uids);
	}

	const char *args[] = {
		user->username, set == NULL ? NULL : str_c(set),
		ctx->message_id, ctx->session, ctx->since, ctx->until
	};

	if (doveadm_pop3_policy_call("restore", args, N_ELEMENTS(args),
				     &reply) < 0) {
		_ctx->exit_code = doveadm_exit_code;
		return -1;
	}
	doveadm_print(restore_count(reply));
	pop3_policy_wire_message_free(&reply);
	return 0;
}

/* Still as root. */
static int
restore_prerun(struct doveadm_mail_cmd_context *_ctx ATTR_UNUSED,
	       struct mail_storage_service_user *service_user ATTR_UNUSED,
	       const char **error_r)
{
	if (doveadm_pop3_policy_connect() < 0) {
		*error_r = "The service cannot be asked";
		return -1;
	}
	return 0;
}

static void restore_preinit(struct doveadm_mail_cmd_context *_ctx)
{
	struct restore_context *ctx =
		container_of(_ctx, struct restore_context, ctx);
	struct doveadm_cmd_context *cctx = _ctx->cctx;
	const char *const *query;

	(void)doveadm_cmd_param_bool(cctx, "all", &ctx->all);
	(void)doveadm_cmd_param_str(cctx, "message-id", &ctx->message_id);
	(void)doveadm_cmd_param_str(cctx, "session", &ctx->session);
	ctx->since = p_strdup(_ctx->pool,
			      doveadm_pop3_policy_time(cctx, "since"));
	ctx->until = p_strdup(_ctx->pool,
			      doveadm_pop3_policy_time(cctx, "until"));
	if (doveadm_cmd_param_array(cctx, "query", &query))
		_ctx->search_args = doveadm_mail_build_search_args(query);
	else if (!ctx->all && ctx->message_id == NULL &&
		 ctx->session == NULL && ctx->since == NULL &&
		 ctx->until == NULL) {
		e_error(doveadm_pop3_policy_event, "Say which hidden messages: "
			"by options, by a search query, or all by --all");
		help_ver2(cctx->cmd);
	}
}

static void restore_headers(void)
{
	doveadm_print_header_simple("restored");
}

#if DOVECOT_PREREQ(2, 4, 0)
static void restore_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
	restore_headers();
}
#else
static void restore_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
			 const char *const args[] ATTR_UNUSED)
{
	restore_headers();
}

/* Without it there are no options. They are read from the parameters. */
static bool
restore_parse_arg(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
		  int c ATTR_UNUSED)
{
	return TRUE;
}
#endif

static struct doveadm_mail_cmd_context *restore_alloc(void)
{
	struct restore_context *ctx;

	ctx = doveadm_mail_cmd_alloc(struct restore_context);
	ctx->ctx.v.preinit = restore_preinit;
	ctx->ctx.v.init = restore_init;
	ctx->ctx.v.prerun = restore_prerun;
	ctx->ctx.v.run = restore_run;
#if !DOVECOT_PREREQ(2, 4, 0)
	ctx->ctx.v.parse_arg = restore_parse_arg;
#endif
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	return &ctx->ctx;
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_restore = {
	.name = "pop3-policy restore",
	.mail_cmd = restore_alloc,
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[-m <message-id>] "
		"[-s <session>] [-a <since>] [-b <until>] [-e] "
		"[<search query>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('m', "message-id", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('s', "session", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('a', "since", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('b', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('e', "all", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "query", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
