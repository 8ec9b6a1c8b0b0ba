/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-anchor.h"
#include "pop3-policy-decide.h"
#include "pop3-policy-mass.h"
#include "pop3-policy-move.h"
#include "pop3-policy-output.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-seen.h"
#include "pop3-policy-session.h"
#include "pop3-policy-update.h"

/* A policy that changes again and again while we ask is not waited for. */
#define MAX_STALE_RETRIES 3

#define TEXT_NOT_REMOVED \
	"No message was removed: the mail service cannot record the removal " \
	"at the moment. Please wait a few minutes and try again."

#define TEXT_NOT_MOVED \
	"No message was removed: the mail service cannot put messages into " \
	"the mailbox that they are to be moved to. Please wait a few minutes " \
	"and try again; if it happens again, tell your mail administrator."

struct update {
	struct pop3_policy_session *session;
	struct mailbox_transaction_context *t;
	struct pop3_policy_decisions decisions;
	/* the target of moves, NULL without moves */
	struct pop3_policy_move *move;
	/* the policy was asked again, for removals without an intent */
	bool policy_confirmed;
};

/* The client hears the text behind -ERR [SYS/TEMP]. */
static void update_set_error_text(struct update *update, const char *error,
				  const char *text)
{
	e_error(update->session->event,
		"UPDATE failed, nothing was removed: %s", error);
	mail_storage_set_error(update->session->box->storage, MAIL_ERROR_TEMP,
			       text);
}

static void update_set_error(struct update *update, const char *error)
{
	update_set_error_text(update, error, TEXT_NOT_REMOVED);
}

/* QUIT was sent before these messages were out: the client cannot have known
   that it had them. */
static void report_unconfirmed(struct pop3_policy_session *session)
{
	const struct pop3_policy_fetched *fetched;
	ARRAY_TYPE(seq_range) uids;

	t_array_init(&uids, 16);
	array_foreach(&session->fetched, fetched) {
		if (!pop3_policy_output_confirmed(session, fetched))
			seq_range_array_add(&uids, fetched->uid);
	}
	if (array_count(&uids) > 0) {
		pop3_policy_session_event(session, "unconfirmed", NULL,
					  &uids, 0, NULL);
	}
}

/* An anchor that goes now would tell later sessions nothing. */
static void keep_anchor(struct pop3_policy_session *session,
			struct mailbox_transaction_context *t)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	uint32_t anchor_uid = session->anchor_uid != 0 ? session->anchor_uid :
		(drop != NULL ? drop->anchor_uid : 0);

	if (seq_range_exists(&session->removing, anchor_uid))
		pop3_policy_anchor_find(session, t, &session->removing);
}

/* Nothing is removed on the word of a policy that may have changed: without an
   intent, which tells, it is asked again. Returns as update_try(). */
static int update_confirm_policy(struct update *update)
{
	struct pop3_policy_session *session = update->session;
	const char *error;
	char *version;
	bool same;

	if (update->policy_confirmed)
		return 1;
	update->policy_confirmed = TRUE;
	version = i_strdup(session->login->version);
	if (pop3_policy_session_login_again(session, &error) < 0) {
		i_free(version);
		update_set_error(update, error);
		return -1;
	}
	same = strcmp(version, session->login->version) == 0;
	i_free(version);
	return same ? 1 : 0;
}

/* Messages that turn out to be others than those that were retrieved stay.
   Returns 0 if ok, -1 if a message cannot be identified. */
static int update_describe(struct update *update)
{
	struct pop3_policy_session *session = update->session;
	struct pop3_policy_left_out left_out;

	pop3_policy_left_out_init(&left_out, update->decisions.pool);
	pop3_policy_removals_describe(session, update->t,
				      update->decisions.pool,
				      &update->decisions.removals, &left_out);
	if (array_count(&left_out.failed) > 0) {
		update_set_error(update, t_strdup_printf(
			"%u messages cannot be identified: %s",
			seq_range_count(&left_out.failed),
			mailbox_get_last_internal_error(update->t->box, NULL)));
		return -1;
	}
	if (array_count(&left_out.mismatched) > 0) {
		e_warning(session->event, "%u messages to be removed are not "
			  "those whose retrieval was recorded; they stay, "
			  "their state is dropped",
			  seq_range_count(&left_out.mismatched));
		pop3_policy_session_event(session, "mismatch", NULL,
					  &left_out.mismatched, 0, NULL);
	}
	return 0;
}

/* The database is away: what was to be removed is hidden, and the service has
   that on disk. */
static void update_postponed(struct update *update)
{
	struct pop3_policy_session *session = update->session;
	unsigned int count = pop3_policy_removals_postpone(session,
		&update->decisions.removals);

	pop3_policy_decisions_hide(session, &update->decisions);
	pop3_policy_move_free(&update->move);
	if (count > 0) {
		e_info(session->event, "The database is away: %u messages are "
		       "hidden, their removal is decided later", count);
	}
}

/* Returns 1 if the intents are durable, 0 if the policy changed meanwhile and
   the decisions are void, -1 if UPDATE fails. */
static int update_try(struct update *update)
{
	struct pop3_policy_session *session = update->session;
	struct pop3_policy_decisions *decisions = &update->decisions;
	const char *error;
	int ret;

	pop3_policy_move_free(&update->move);
	pop3_policy_decide(session, update->t, decisions);
	if (array_count(&decisions->removals) == 0)
		return 1;
	if (!pop3_policy_needs_intent(session->policy)) {
		ret = update_confirm_policy(update);
		/* postponed, it needs a record */
		if (ret <= 0 || !session->login->offline)
			return ret;
	}

	if (update_describe(update) < 0)
		return -1;
	if (array_count(&decisions->removals) == 0)
		return 1;
	if (!session->login->offline &&
	    pop3_policy_move_open(session, &decisions->removals,
				  &update->move, &error) < 0) {
		update_set_error_text(update, error, TEXT_NOT_MOVED);
		return -1;
	}
	ret = pop3_policy_removals_intend(session, TRUE, &decisions->removals,
					  &session->committed_intents, &error);
	if (ret < 0) {
		update_set_error(update, error);
		return -1;
	}
	if (ret > 0 && session->login->offline)
		update_postponed(update);
	return ret;
}

/* The intents are durable: put all changes into the transaction. */
static int update_apply(struct update *update)
{
	struct pop3_policy_session *session = update->session;
	ARRAY_TYPE(pop3_policy_removal) *removals = &update->decisions.removals;
	const char *error, *text = TEXT_NOT_REMOVED;
	int ret = 0;

	array_clear(&session->removing);
	pop3_policy_removals_expunged(session, removals, &session->removing);
	keep_anchor(session, update->t);
	if (update->move != NULL) {
		ret = pop3_policy_move_commit(update->move, update->t, removals,
					      &session->committed_intents,
					      &error);
		text = TEXT_NOT_MOVED;
	}
	if (ret == 0) {
		pop3_policy_seen_apply(session, update->t);
		ret = pop3_policy_removals_apply(session, update->t, removals,
			&session->committed_intents, &error);
		text = TEXT_NOT_REMOVED;
	}
	if (ret < 0) {
		pop3_policy_intents_outcome(session,
					    &session->committed_intents,
					    "failed");
		array_clear(&session->committed_intents);
		update_set_error_text(update, error, text);
	}
	return ret;
}

static int update_begin(struct update *update)
{
	const char *error;
	unsigned int tries = 0;
	int ret;

	while ((ret = update_try(update)) == 0) {
		if (++tries == MAX_STALE_RETRIES)
			error = "the policy keeps changing";
		else if (pop3_policy_session_login_again(update->session,
							 &error) == 0)
			continue;
		update_set_error(update, error);
		return -1;
	}
	return ret < 0 ? -1 : update_apply(update);
}

int pop3_policy_update_begin(struct pop3_policy_session *session,
			     struct mailbox_transaction_context *t)
{
	struct update update = { .session = session, .t = t };
	int ret;

	pop3_policy_decisions_init(session, &update.decisions);
	T_BEGIN {
		report_unconfirmed(session);
		ret = update_begin(&update);
	} T_END;
	pop3_policy_move_free(&update.move);
	pool_unref(&update.decisions.pool);

	if (ret < 0) {
		array_clear(&session->retrieved);
		array_clear(&session->would);
	}
	return ret;
}

void pop3_policy_update_commit_failed(struct pop3_policy_session *session)
{
	/* what was postponed is to be as if it had not been */
	pop3_policy_intents_outcome(session, &session->committed_intents,
				    session->login->offline ? "failed" :
				    "unknown");
	array_clear(&session->committed_intents);
	array_clear(&session->retrieved);
	array_clear(&session->would);
}

void pop3_policy_update_finish(struct pop3_policy_session *session)
{
	const char *result = "committed";

	T_BEGIN {
		if (pop3_policy_removals_verify(session,
						&session->removing) > 0) {
			/* a later session sees which are still there */
			result = "unknown";
			pop3_policy_decisions_forget(session,
						     &session->removing);
		}
		pop3_policy_intents_outcome(session,
					    &session->committed_intents,
					    result);
		pop3_policy_mass_report(session);
	} T_END;
	array_clear(&session->committed_intents);
	session->update_removed = seq_range_count(&session->removing);
	seq_range_array_merge(&session->removed, &session->removing);
	pop3_policy_session_end(session, "quit");
}
