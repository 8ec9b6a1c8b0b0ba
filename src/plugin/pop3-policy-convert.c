/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-anchor.h"
#include "pop3-policy-convert.h"
#include "pop3-policy-intent.h"
#include "pop3-policy-move.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-sender.h"
#include "pop3-policy-session.h"

struct converting {
	struct pop3_policy_session *session;
	struct pop3_policy_convert *convert;
	struct mailbox_transaction_context *t;
	pool_t pool;
	ARRAY_TYPE(pop3_policy_removal) removals;
	struct pop3_policy_move *move;
	ARRAY_TYPE(pop3_policy_intent) intents;
};

/* A removal for each hidden message that is in the mailbox, by the GUID that
   was recorded. */
static int add_hidden(struct converting *ctx,
		      const struct pop3_policy_wire_message *tracked,
		      const char **error_r)
{
	struct pop3_policy_session *session = ctx->session;
	struct pop3_policy_removal *removal;
	const char *guid_str;
	guid_128_t guid;
	uint32_t uid, seq;
	unsigned int i;

	for (i = 0; i < tracked->item_count; i++) {
		const struct pop3_policy_wire_line *item = &tracked->items[i];

		if (!pop3_policy_wire_get_flag(item, "hidden"))
			continue;
		guid_str = pop3_policy_wire_get_str(item, "guid");
		if (pop3_policy_wire_get_uint32(item, "uid", &uid) <= 0 ||
		    guid_str == NULL ||
		    pop3_policy_guid_parse(guid_str, guid) < 0) {
			*error_r = "UIDS: bad answer";
			return -1;
		}
		if (!mail_index_lookup_seq(session->box->view, uid, &seq))
			continue;
		if (!session->dry_run &&
		    array_count(&ctx->removals) == POP3_POLICY_MAX_DUE) {
			ctx->convert->more = TRUE;
			break;
		}
		removal = array_append_space(&ctx->removals);
		removal->uid = uid;
		guid_128_copy(removal->guid, guid);
		removal->action = ctx->convert->action;
		removal->reason = POP3_POLICY_REASON_ADMIN;
		removal->mailbox = ctx->convert->mailbox;
	}
	return 0;
}

static int find_hidden(struct converting *ctx, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	int ret;

	if (pop3_policy_uids_request(ctx->session, ctx->session->drop->id,
				     TRUE, &reply, error_r) < 0)
		return -1;
	ret = add_hidden(ctx, reply, error_r);
	pop3_policy_wire_message_free(&reply);
	pop3_policy_removals_sort(&ctx->removals);
	return ret;
}

static int take_intents(struct converting *ctx, const char **error_r)
{
	struct pop3_policy_session *session = ctx->session;
	struct pop3_policy_sender sender;
	struct pop3_policy_intent_request request = {
		.sender = &sender,
		.version = session->login->version,
		.last_no = &session->intent_no
	};
	int ret;

	pop3_policy_session_sender(session, &sender);
	ret = pop3_policy_intents_take(&request, &ctx->removals, &ctx->intents,
				       error_r);
	if (ret == 0)
		*error_r = "the policy changed";
	return ret > 0 ? 0 : -1;
}

/* The intents are durable: put all into the transaction. */
static int apply(struct converting *ctx, const char **error_r)
{
	int ret = 0;

	if (ctx->move != NULL) {
		ret = pop3_policy_move_commit(ctx->move, ctx->t,
					      &ctx->removals, &ctx->intents,
					      error_r);
	}
	if (ret == 0) {
		ret = pop3_policy_removals_apply(ctx->session, ctx->t,
						 &ctx->removals, &ctx->intents,
						 error_r);
	}
	if (ret < 0) {
		pop3_policy_intents_outcome(ctx->session, &ctx->intents,
					    "failed");
	}
	return ret;
}

static int commit(struct converting *ctx, const char **error_r)
{
	struct pop3_policy_session *session = ctx->session;
	ARRAY_TYPE(seq_range) gone;

	if (mailbox_transaction_commit(&ctx->t) < 0 ||
	    mailbox_sync(session->box, 0) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(
			session->box, NULL));
		pop3_policy_intents_outcome(session, &ctx->intents, "unknown");
		return -1;
	}
	t_array_init(&gone, 16);
	pop3_policy_removals_expunged(session, &ctx->removals, &gone);
	if (pop3_policy_removals_verify(session, &gone) > 0) {
		*error_r = "the mailbox does not let messages be removed";
		pop3_policy_intents_outcome(session, &ctx->intents, "unknown");
		return -1;
	}
	pop3_policy_intents_outcome(session, &ctx->intents, "committed");
	seq_range_array_merge(&session->removed, &gone);
	seq_range_array_remove_seq_range(&session->drop->hidden, &gone);
	session->messages = mail_index_view_get_messages_count(
		session->box->view);
	pop3_policy_anchor_update(session);
	return 0;
}

/* They are others now, or gone: their state is void. */
static void forget_left_out(struct pop3_policy_session *session,
			    const struct pop3_policy_left_out *left_out)
{
	if (array_count(&left_out->mismatched) > 0) {
		pop3_policy_session_event(session, "mismatch", NULL,
					  &left_out->mismatched, 0, NULL);
	}
	if (array_count(&left_out->gone) > 0) {
		pop3_policy_session_event(session, "gone", "gone",
					  &left_out->gone, 0, NULL);
	}
}

static int convert(struct converting *ctx, const char **error_r)
{
	struct pop3_policy_session *session = ctx->session;
	struct pop3_policy_left_out left_out;

	if (find_hidden(ctx, error_r) < 0)
		return -1;
	ctx->t = mailbox_transaction_begin(session->box, 0, __func__);
	pop3_policy_left_out_init(&left_out, ctx->pool);
	pop3_policy_removals_describe(session, ctx->t, ctx->pool,
				      &ctx->removals, &left_out);
	ctx->convert->count = array_count(&ctx->removals);
	if (!session->dry_run)
		forget_left_out(session, &left_out);
	if (array_count(&left_out.failed) > 0) {
		*error_r = t_strdup_printf("%u messages cannot be identified",
			seq_range_count(&left_out.failed));
		(void)mailbox_transaction_commit(&ctx->t);
		return -1;
	}
	if (array_count(&ctx->removals) == 0 || session->dry_run) {
		(void)mailbox_transaction_commit(&ctx->t);
		return 0;
	}
	if (pop3_policy_move_open(session, &ctx->removals, &ctx->move,
				  error_r) < 0 ||
	    take_intents(ctx, error_r) < 0 || apply(ctx, error_r) < 0) {
		mailbox_transaction_rollback(&ctx->t);
		return -1;
	}
	return commit(ctx, error_r);
}

int pop3_policy_convert_hidden(struct pop3_policy_session *session,
			       struct pop3_policy_convert *set,
			       const char **error_r)
{
	const struct pop3_policy_value *values = session->policy->values;
	struct converting ctx = { .session = session, .convert = set };
	int ret;

	set->count = 0;
	set->more = FALSE;
	if (session->drop == NULL)
		return 0;
	if (values[POP3_POLICY_PARAM_POP3_HOLD].num == POP3_POLICY_YES) {
		*error_r = "pop3_hold: nothing may be removed, hidden mail "
			"stays hidden";
		return -1;
	}
	if (session->policy->paused) {
		*error_r = "removals are stopped (pause or breaker), hidden "
			"mail stays hidden";
		return -1;
	}
	if (set->action == POP3_POLICY_ACTION_MOVE && set->mailbox == NULL)
		set->mailbox = values[POP3_POLICY_PARAM_MOVE_MAILBOX].str;

	ctx.pool = pool_alloconly_create("pop3-policy convert", 4096);
	p_array_init(&ctx.removals, ctx.pool, 16);
	p_array_init(&ctx.intents, ctx.pool, 2);
	T_BEGIN {
		ret = convert(&ctx, error_r);
	} T_END_PASS_STR_IF(ret < 0, error_r);
	if (ret < 0)
		set->count = 0;
	pop3_policy_move_free(&ctx.move);
	pool_unref(&ctx.pool);
	return ret;
}
