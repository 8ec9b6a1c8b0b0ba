/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* uninstall convert: hidden messages are deleted, or moved to another mailbox,
   as POP3 clients would see them again without the plugin. Only mailboxes with
   hidden messages are opened. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "istream.h"
#include "strfuncs.h"
#include "mail-storage-service.h"
#include "mail-user.h"
#include "doveadm.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "pop3-policy-convert.h"
#include "pop3-policy-sweep.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-claim.h"
#include "doveadm-pop3-policy-hidden.h"
#include "doveadm-pop3-policy-plugin.h"

#include <dlfcn.h>

struct convert_context {
	struct doveadm_mail_cmd_context ctx;
	pop3_policy_sweep_t *sweep;
	const char *sweeper;
	enum pop3_policy_action action;
	const char *mailbox;
	bool dry_run;

	/* users with hidden messages, once they were asked for */
	HASH_TABLE(const char *, const char *) users;
};

static int convert_get_users(struct convert_context *ctx)
{
	ARRAY_TYPE(doveadm_pop3_policy_hidden) hidden;
	const struct doveadm_pop3_policy_hidden *h;

	t_array_init(&hidden, 128);
	if (doveadm_pop3_policy_hidden(ctx->ctx.pool, "*", &hidden) < 0)
		return -1;
	hash_table_create(&ctx->users, default_pool, array_count(&hidden),
			  str_hash, strcmp);
	array_foreach(&hidden, h)
		hash_table_insert(ctx->users, h->username, h->username);
	return 0;
}

static int
convert_read_user(struct convert_context *ctx, const char **name_r)
{
	struct istream *input = ctx->ctx.users_list_input;

	if (input == NULL) {
		return mail_storage_service_all_next(ctx->ctx.storage_service,
						     name_r);
	}
	*name_r = i_stream_read_next_line(input);
	if (input->stream_errno != 0) {
		e_error(doveadm_pop3_policy_event, "read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return -1;
	}
	return *name_r == NULL ? 0 : 1;
}

static int convert_get_next_user(struct doveadm_mail_cmd_context *_ctx,
				 const char **username_r)
{
	struct convert_context *ctx =
		container_of(_ctx, struct convert_context, ctx);
	int ret = 0;

	if (!hash_table_is_created(ctx->users)) {
		T_BEGIN {
			ret = convert_get_users(ctx);
		} T_END;
		if (ret < 0)
			return -1;
	}
	while ((ret = convert_read_user(ctx, username_r)) > 0) {
		if (hash_table_lookup(ctx->users, *username_r) != NULL)
			break;
	}
	return ret;
}

static int
convert_sweep(struct convert_context *ctx, struct mail_user *user)
{
	struct pop3_policy_convert convert = {
		.action = ctx->action,
		.mailbox = ctx->mailbox
	};
	struct pop3_policy_sweep_result result;
	uint64_t count = 0;
	const char *error;
	int ret;

	do {
		ret = ctx->sweep(user, ctx->dry_run, &convert, &result,
				 &error);
		count += convert.count;
		if (ret < 0) {
			e_error(doveadm_pop3_policy_event, "%s: %s",
				user->username, error);
			doveadm_exit_code = EX_TEMPFAIL;
			break;
		}
		if (!convert.more || doveadm_is_killed())
			break;
		/* for longer */
	} while (doveadm_pop3_policy_claim(user->username, ctx->sweeper) > 0);
	if (count > 0)
		doveadm_print_num(count);
	return ret;
}

static int
convert_run(struct doveadm_mail_cmd_context *_ctx, struct mail_user *user)
{
	struct convert_context *ctx =
		container_of(_ctx, struct convert_context, ctx);
	int ret;

	if (ctx->dry_run)
		ret = convert_sweep(ctx, user);
	else if ((ret = doveadm_pop3_policy_claim(user->username,
						  ctx->sweeper)) > 0) {
		ret = convert_sweep(ctx, user);
		if (doveadm_pop3_policy_release(user->username, ctx->sweeper,
						FALSE) < 0)
			ret = -1;
	} else if (ret == 0) {
		e_error(doveadm_pop3_policy_event,
			"%s: another command is at work there, try again",
			user->username);
		doveadm_exit_code = EX_TEMPFAIL;
		ret = -1;
	}
	if (ret < 0) {
		_ctx->exit_code = doveadm_exit_code;
		return -1;
	}
	return 0;
}

static int
convert_prerun(struct doveadm_mail_cmd_context *_ctx,
	       struct mail_storage_service_user *service_user ATTR_UNUSED,
	       const char **error_r)
{
	struct convert_context *ctx =
		container_of(_ctx, struct convert_context, ctx);

	/* still as root */
	if (doveadm_pop3_policy_connect() < 0) {
		*error_r = "The service cannot be asked";
		return -1;
	}
	ctx->sweep = (pop3_policy_sweep_t *)
		dlsym(RTLD_DEFAULT, POP3_POLICY_SWEEP_FUNCTION);
	if (ctx->sweep == NULL) {
		*error_r = "The plugin pop3_policy is not among doveadm's "
			"mail_plugins";
		return -1;
	}
	return 0;
}

static void convert_preinit(struct doveadm_mail_cmd_context *_ctx)
{
	struct convert_context *ctx =
		container_of(_ctx, struct convert_context, ctx);
	struct doveadm_cmd_context *cctx = _ctx->cctx;
	const char *to = "";

	(void)doveadm_cmd_param_bool(cctx, "dry-run", &ctx->dry_run);
	(void)doveadm_cmd_param_str(cctx, "mailbox", &ctx->mailbox);
	(void)doveadm_cmd_param_str(cctx, "action", &to);
	if (strcmp(to, "delete") == 0 && ctx->mailbox == NULL)
		ctx->action = POP3_POLICY_ACTION_EXPUNGE;
	else if (strcmp(to, "move") == 0)
		ctx->action = POP3_POLICY_ACTION_MOVE;
	else {
		e_error(doveadm_pop3_policy_event, "Say what is to become of "
			"hidden messages: delete, or move (--mailbox says "
			"where)");
		help_ver2(cctx->cmd);
	}
	ctx->sweeper = doveadm_pop3_policy_sweeper(_ctx->pool);
}

static void convert_deinit(struct doveadm_mail_cmd_context *_ctx)
{
	struct convert_context *ctx =
		container_of(_ctx, struct convert_context, ctx);

	if (hash_table_is_created(ctx->users))
		hash_table_destroy(&ctx->users);
}

static void convert_headers(void)
{
	doveadm_print_header("messages", "messages",
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY |
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
}

#if DOVECOT_PREREQ(2, 4, 0)
static void convert_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
	convert_headers();
}
#else
static void convert_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
			 const char *const args[] ATTR_UNUSED)
{
	convert_headers();
}

/* Without it there are no options. They are read from the parameters. */
static bool
convert_parse_arg(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
		  int c ATTR_UNUSED)
{
	return TRUE;
}
#endif

static struct doveadm_mail_cmd_context *convert_alloc(void)
{
	struct convert_context *ctx;

	ctx = doveadm_mail_cmd_alloc(struct convert_context);
	ctx->ctx.v.preinit = convert_preinit;
	ctx->ctx.v.init = convert_init;
	ctx->ctx.v.get_next_user = convert_get_next_user;
	ctx->ctx.v.prerun = convert_prerun;
	ctx->ctx.v.run = convert_run;
	ctx->ctx.v.deinit = convert_deinit;
#if !DOVECOT_PREREQ(2, 4, 0)
	ctx->ctx.v.parse_arg = convert_parse_arg;
#endif
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	return &ctx->ctx;
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_convert = {
	.name = "pop3-policy uninstall convert",
	.mail_cmd = convert_alloc,
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
		"[-n] [-m <mailbox>] delete|move",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('m', "mailbox", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('\0', "action", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
