/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The POP3 session's INBOX: the places where the policy acts. */

#include "lib.h"
#include "array.h"
#include "mail-search.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-output.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-session.h"
#include "pop3-policy-update.h"
#include "pop3-policy-view.h"

#define POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_storage_module)

struct pop3_policy_mailbox {
	union mailbox_module_context module_ctx;
	struct pop3_policy_session *session;
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_storage_module,
				  &mail_storage_module_register);

/* The first sync comes before the messages are counted: the maildrop is
   prepared behind it. The sync after QUIT's commit is the last thing before
   its +OK. */
static int
pop3_policy_sync_deinit(struct mailbox_sync_context *ctx,
			struct mailbox_sync_status *status_r)
{
	struct mailbox *box = ctx->box;
	struct pop3_policy_mailbox *pbox =
		POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(box);
	struct pop3_policy_session *session = pbox->session;

	if (pbox->module_ctx.super.sync_deinit(ctx, status_r) < 0)
		return -1;
	/* Other plugins open other mailboxes with the POP3 session's flag. */
	if (session->client == NULL || session->client->mailbox != box)
		return 0;

	switch (session->state) {
	case POP3_POLICY_SESSION_ACCEPTED:
		session->state = POP3_POLICY_SESSION_PREPARING;
		if (pop3_policy_prepare(session, box) < 0) {
			/* POP3 tries to open the mailbox a few times */
			session->state = POP3_POLICY_SESSION_ACCEPTED;
			return -1;
		}
		session->state = POP3_POLICY_SESSION_TRANSACTION;
		break;
	case POP3_POLICY_SESSION_COMMITTED:
		pop3_policy_update_finish(session);
		break;
	default:
		break;
	}
	return 0;
}

static int
pop3_policy_transaction_commit(struct mailbox_transaction_context *t,
			       struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	struct pop3_policy_mailbox *pbox =
		POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(box);
	struct pop3_policy_session *session = pbox->session;
	struct client *client = session->client;

	/* Commits of other moments - idle for ten seconds, RSET, the end of a
	   session without QUIT - hold no removals: expunges of the client are
	   noted only (pop3-policy-mail.c). */
	if (session->state != POP3_POLICY_SESSION_TRANSACTION ||
	    client == NULL || client->mailbox != box || !client->quit_seen ||
	    client->destroyed)
		return pbox->module_ctx.super.transaction_commit(t, changes_r);

	if (pop3_policy_update_begin(session, t) < 0) {
		session->state = POP3_POLICY_SESSION_UPDATE_FAILED;
		pbox->module_ctx.super.transaction_rollback(t);
		return -1;
	}
	if (pbox->module_ctx.super.transaction_commit(t, changes_r) < 0) {
		session->state = POP3_POLICY_SESSION_UPDATE_FAILED;
		pop3_policy_update_commit_failed(session);
		return -1;
	}
	session->state = POP3_POLICY_SESSION_COMMITTED;
	return 0;
}

/* pop3_uidl_duplicates=rename numbers messages of one name as it reads them.
   Hidden ones must be read as well: else another message would get the name of
   one that a client has fetched, and never be fetched itself. */
static bool
search_names_uidls(struct pop3_policy_session *session,
		   const struct mailbox_transaction_context *t,
		   const struct mail_search_args *args,
		   const enum mail_sort_type *sort_program)
{
	const struct client *client = session->client;

	return session->filter && client != NULL && client->trans == t &&
		sort_program == NULL && client->message_uidls_save &&
		client->message_uidls == NULL && args->args != NULL &&
		args->args->type == SEARCH_SEQSET &&
		pop3_policy_output_command_is("uidl");
}

/* Search the shown messages and those that the policy hides among them, but
   not those that pop3_deleted_flag hides: without the policy they would not be
   numbered either. */
static void
search_add_filtered(const struct pop3_policy_session *session,
		    const struct mailbox_transaction_context *t,
		    struct mail_search_args *args)
{
	ARRAY_TYPE(seq_range) *seqs = &args->args->value.seqset;
	ARRAY_TYPE(seq_range) shown = *seqs;
	uint32_t seq;

	/* not the POP3 client's array any more */
	p_array_init(seqs, args->pool, 16);
	for (seq = 1; seq <= session->client->highest_seq; seq++) {
		if (seq_range_exists(&shown, seq) ||
		    pop3_policy_view_leaves_out(session, t->view, seq))
			seq_range_array_add(seqs, seq);
	}
}

/* pop3's read_mailbox() fills all_seqs with the messages of the search only if
   it exists; otherwise it takes them for 1..n, which they are not when some
   are left out. */
static struct mail_search_context *
pop3_policy_search_init(struct mailbox_transaction_context *t,
			struct mail_search_args *args,
			const enum mail_sort_type *sort_program,
			enum mail_fetch_field wanted_fields,
			struct mailbox_header_lookup_ctx *wanted_headers)
{
	struct pop3_policy_mailbox *pbox =
		POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(t->box);
	struct pop3_policy_session *session = pbox->session;
	struct client *client = session->client;
	struct mail_search_context *ctx;

	if (session->filter && client != NULL && client->trans == NULL &&
	    client->mailbox == t->box && sort_program != NULL) {
		if (!array_is_created(&client->all_seqs))
			i_array_init(&client->all_seqs, 32);
		else
			array_clear(&client->all_seqs);
	}
	if (!search_names_uidls(session, t, args, sort_program)) {
		return pbox->module_ctx.super.search_init(t, args, sort_program,
			wanted_fields, wanted_headers);
	}
	search_add_filtered(session, t, args);
	ctx = pbox->module_ctx.super.search_init(t, args, sort_program,
						 wanted_fields, wanted_headers);
	session->unfiltered_search = ctx;
	return ctx;
}

static bool
pop3_policy_search_next_update_seq(struct mail_search_context *ctx)
{
	struct pop3_policy_mailbox *pbox =
		POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct pop3_policy_session *session = pbox->session;

	if (session->state == POP3_POLICY_SESSION_REFUSED) {
		/* nobody listens, so do not look at each message's size */
		return FALSE;
	}
	while (pbox->module_ctx.super.search_next_update_seq(ctx)) {
		if (!session->filter || session->unfiltered_search == ctx ||
		    ctx->transaction->box != session->pop3_box)
			return TRUE;
		if (!pop3_policy_view_leaves_out(session,
						 ctx->transaction->view,
						 ctx->seq))
			return TRUE;
		/* else the arguments keep the result of this message */
		mail_search_args_reset(ctx->args->args, FALSE);
	}
	return FALSE;
}

static int pop3_policy_search_deinit(struct mail_search_context *ctx)
{
	struct pop3_policy_mailbox *pbox =
		POP3_POLICY_MAILBOX_CONTEXT_REQUIRE(ctx->transaction->box);

	if (pbox->session->unfiltered_search == ctx)
		pbox->session->unfiltered_search = NULL;
	return pbox->module_ctx.super.search_deinit(ctx);
}

void pop3_policy_mailbox_allocated(struct mailbox *box)
{
	struct pop3_policy_session *session;
	struct pop3_policy_mailbox *pbox;
	struct mailbox_vfuncs *v = box->vlast;

	if ((box->flags & MAILBOX_FLAG_POP3_SESSION) == 0)
		return;
	session = pop3_policy_session_get(box->storage->user);
	if (session == NULL)
		return;

	pbox = p_new(box->pool, struct pop3_policy_mailbox, 1);
	pbox->session = session;
	pbox->module_ctx.super = *v;
	box->vlast = &pbox->module_ctx.super;
	v->sync_deinit = pop3_policy_sync_deinit;
	v->transaction_commit = pop3_policy_transaction_commit;
	v->search_init = pop3_policy_search_init;
	v->search_deinit = pop3_policy_search_deinit;
	v->search_next_update_seq = pop3_policy_search_next_update_seq;
	MODULE_CONTEXT_SET(box, pop3_policy_storage_module, pbox);
}
