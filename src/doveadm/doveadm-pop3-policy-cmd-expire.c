/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* expire: remove what is due in the maildrops of users who do not log in. Of
   several users, those with something due are asked for first; the mailboxes of
   the others are not opened. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "str.h"
#include "mail-storage-service.h"
#include "mail-user.h"
#include "doveadm.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-sweep.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-claim.h"
#include "doveadm-pop3-policy-plugin.h"

#include <dlfcn.h>

/* Users that are asked for at a time. */
#define EXPIRE_BATCH 1000

struct expire_context {
	struct doveadm_mail_cmd_context ctx;
	pop3_policy_sweep_t *sweep;
	/* this command's claims */
	const char *sweeper;
	bool dry_run;

	/* those with something to do, the rest of them behind next */
	pool_t batch_pool;
	ARRAY_TYPE(const_string) batch;
	unsigned int next;
	bool finished;
};

/* --- which users --- */

static int expire_read_user(struct expire_context *ctx, const char **name_r)
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

/* Those of the names that have something to do. */
static int expire_select(struct expire_context *ctx, string_t *names)
{
	struct pop3_policy_wire_message *reply;
	const char *arg = str_c(names);
	const char *name, *why;
	unsigned int i;

	p_clear(ctx->batch_pool);
	p_array_init(&ctx->batch, ctx->batch_pool, 16);
	ctx->next = 0;
	if (doveadm_pop3_policy_call("sweep_select", &arg, 1, &reply) < 0)
		return -1;
	for (i = 0; i < reply->item_count; i++) {
		name = pop3_policy_wire_get_str(&reply->items[i], "username");
		why = pop3_policy_wire_get_str(&reply->items[i], "why");
		if (ctx->dry_run && null_strcmp(why, "due") != 0)
			continue;
		name = p_strdup(ctx->batch_pool, name);
		array_push_back(&ctx->batch, &name);
	}
	pop3_policy_wire_message_free(&reply);
	return 0;
}

static int expire_next_batch(struct expire_context *ctx)
{
	string_t *names = t_str_new(16 * 1024);
	const char *name;
	unsigned int count;
	int ret = 1;

	for (count = 0; count < EXPIRE_BATCH; count++) {
		ret = expire_read_user(ctx, &name);
		if (ret <= 0)
			break;
		if (doveadm_pop3_policy_list_add(names, name) < 0)
			i_unreached();
	}
	if (ret < 0)
		return -1;
	ctx->finished = ret == 0;
	return expire_select(ctx, names);
}

static int expire_get_next_user(struct doveadm_mail_cmd_context *_ctx,
				const char **username_r)
{
	struct expire_context *ctx =
		container_of(_ctx, struct expire_context, ctx);
	int ret = 0;

	while (ctx->next == array_count(&ctx->batch)) {
		if (ctx->finished)
			return 0;
		T_BEGIN {
			ret = expire_next_batch(ctx);
		} T_END;
		if (ret < 0)
			return -1;
	}
	*username_r = array_idx_elem(&ctx->batch, ctx->next++);
	return 1;
}

/* --- one user --- */

static void expire_print(const struct pop3_policy_sweep_result *result)
{
	unsigned int i;

	for (i = 0; result->rules[i].reason != NULL; i++) {
		doveadm_print(result->rules[i].reason);
		doveadm_print_num(result->rules[i].count);
	}
}

static int
expire_sweep(struct expire_context *ctx, struct mail_user *user)
{
	struct pop3_policy_sweep_result result;
	const char *error;
	bool more, repaired = FALSE;

	do {
		if (ctx->sweep(user, ctx->dry_run, NULL, &result,
			       &error) < 0) {
			e_error(doveadm_pop3_policy_event, "%s: %s",
				user->username, error);
			doveadm_exit_code = EX_TEMPFAIL;
			return -1;
		}
		expire_print(&result);
		/* once: it may be that something cannot be settled */
		more = result.more || (result.repaired && !repaired);
		repaired = repaired || result.repaired;
		if (!more || doveadm_is_killed())
			break;
		/* for longer */
	} while (doveadm_pop3_policy_claim(user->username,
					   ctx->sweeper) > 0);
	return more ? 1 : 0;
}

static int
expire_run(struct doveadm_mail_cmd_context *_ctx, struct mail_user *user)
{
	struct expire_context *ctx =
		container_of(_ctx, struct expire_context, ctx);
	int ret;

	if (ctx->dry_run)
		ret = expire_sweep(ctx, user);
	else if ((ret = doveadm_pop3_policy_claim(user->username,
						  ctx->sweeper)) > 0) {
		ret = expire_sweep(ctx, user);
		if (doveadm_pop3_policy_release(user->username, ctx->sweeper,
						ret == 0) < 0)
			ret = -1;
	}
	if (ret < 0) {
		_ctx->exit_code = doveadm_exit_code;
		return -1;
	}
	return 0;
}

static int
expire_prerun(struct doveadm_mail_cmd_context *_ctx,
	      struct mail_storage_service_user *service_user ATTR_UNUSED,
	      const char **error_r)
{
	struct expire_context *ctx =
		container_of(_ctx, struct expire_context, ctx);

	/* still as root */
	if (doveadm_pop3_policy_connect() < 0) {
		*error_r = "The service cannot be asked";
		return -1;
	}
	/* the mail plugins were loaded when doveadm started */
	ctx->sweep = (pop3_policy_sweep_t *)
		dlsym(RTLD_DEFAULT, POP3_POLICY_SWEEP_FUNCTION);
	if (ctx->sweep == NULL) {
		*error_r = "The plugin pop3_policy is not among doveadm's "
			"mail_plugins";
		return -1;
	}
	return 0;
}

static void expire_preinit(struct doveadm_mail_cmd_context *_ctx)
{
	struct expire_context *ctx =
		container_of(_ctx, struct expire_context, ctx);

	(void)doveadm_cmd_param_bool(_ctx->cctx, "dry-run", &ctx->dry_run);
	ctx->sweeper = doveadm_pop3_policy_sweeper(_ctx->pool);
	ctx->batch_pool = pool_alloconly_create("pop3 policy users", 16384);
	p_array_init(&ctx->batch, ctx->batch_pool, 1);
}

/* Whoever has this run by a timer learns of it. */
static void expire_tell_stopped(struct expire_context *ctx)
{
	struct pop3_policy_wire_message *reply;
	const char *stopped;

	if (doveadm_pop3_policy_call("control", NULL, 0, &reply) < 0)
		return;
	stopped = reply->item_count == 0 ? NULL :
		pop3_policy_wire_get_str(&reply->items[0], "stopped");
	if (stopped != NULL && strcmp(stopped, "no") != 0) {
		e_error(doveadm_pop3_policy_event, "Removals by policy are "
			"stopped (%s): what is due stays. See doveadm "
			"pop3-policy breaker", stopped);
		ctx->ctx.exit_code = EX_TEMPFAIL;
	}
	pop3_policy_wire_message_free(&reply);
}

static void expire_deinit(struct doveadm_mail_cmd_context *_ctx)
{
	struct expire_context *ctx =
		container_of(_ctx, struct expire_context, ctx);

	if (ctx->sweeper != NULL && !ctx->dry_run && _ctx->exit_code == 0)
		expire_tell_stopped(ctx);
	if (ctx->batch_pool != NULL)
		pool_unref(&ctx->batch_pool);
}

static void expire_headers(void)
{
	doveadm_print_header_simple("rule");
	doveadm_print_header("messages", "messages",
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY |
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
}

#if DOVECOT_PREREQ(2, 4, 0)
static void expire_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
	expire_headers();
}
#else
static void expire_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
			const char *const args[] ATTR_UNUSED)
{
	expire_headers();
}

/* Without it there are no options. They are read from the parameters. */
static bool
expire_parse_arg(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
		 int c ATTR_UNUSED)
{
	return TRUE;
}
#endif

static struct doveadm_mail_cmd_context *expire_alloc(void)
{
	struct expire_context *ctx;

	ctx = doveadm_mail_cmd_alloc(struct expire_context);
	ctx->ctx.v.preinit = expire_preinit;
	ctx->ctx.v.init = expire_init;
	ctx->ctx.v.get_next_user = expire_get_next_user;
	ctx->ctx.v.prerun = expire_prerun;
	ctx->ctx.v.run = expire_run;
	ctx->ctx.v.deinit = expire_deinit;
#if !DOVECOT_PREREQ(2, 4, 0)
	ctx->ctx.v.parse_arg = expire_parse_arg;
#endif
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	return &ctx->ctx;
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_expire = {
	.name = "pop3-policy expire",
	.mail_cmd = expire_alloc,
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[-n]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
};
