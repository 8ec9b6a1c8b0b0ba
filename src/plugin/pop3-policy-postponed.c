/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* While the database was away, sessions hid what they were to remove. Now the
   removals are decided anew, by the policy as it is: they take place, with an
   intent, or the message stays hidden, or comes back into the view. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-move.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-session.h"

struct postponed {
	struct pop3_policy_session *session;
	struct mailbox_transaction_context *t;
	pool_t pool;
	ARRAY_TYPE(pop3_policy_removal) removals;
	struct pop3_policy_move *move;
	ARRAY_TYPE(pop3_policy_intent) intents;
	/* messages that stay in the view, by the reason that they were to be
	   removed for */
	ARRAY_TYPE(seq_range) kept_dele, kept_retrieved;
};

static void decide(struct postponed *postponed,
		   const struct pop3_policy_due *due)
{
	struct pop3_policy_session *session = postponed->session;
	struct pop3_policy_message_facts facts;
	struct pop3_policy_disposition disposition;
	struct pop3_policy_removal *removal;

	i_zero(&facts);
	facts.dele = due->reason == POP3_POLICY_REASON_DELE;
	facts.retrieved = !facts.dele;
	facts.spared = seq_range_exists(&session->drop->spared, due->uid);
	pop3_policy_dispose(session->policy, &facts, &disposition);

	if (disposition.action == POP3_POLICY_ACTION_NONE) {
		seq_range_array_add(facts.dele ? &postponed->kept_dele :
				    &postponed->kept_retrieved, due->uid);
		return;
	}
	removal = array_append_space(&postponed->removals);
	removal->uid = due->uid;
	guid_128_copy(removal->guid, due->guid);
	removal->action = disposition.action;
	removal->reason = disposition.reason;
	if (removal->action == POP3_POLICY_ACTION_MOVE) {
		removal->mailbox = session->policy->
			values[POP3_POLICY_PARAM_MOVE_MAILBOX].str;
	}
}

static void keep(struct pop3_policy_session *session, const char *reason,
		 const ARRAY_TYPE(seq_range) *uids)
{
	if (array_count(uids) == 0)
		return;
	pop3_policy_session_event(session, "kept", reason, uids, 0, NULL);
	seq_range_array_remove_seq_range(&session->drop->postponed, uids);
	seq_range_array_remove_seq_range(&session->drop->hidden, uids);
}

/* Returns 1 if the intents are durable, 0 and *error_r if all is left for
   later. */
static int begin(struct postponed *postponed, const char **error_r)
{
	struct pop3_policy_session *session = postponed->session;
	int ret;

	if (pop3_policy_move_open(session, &postponed->removals,
				  &postponed->move, error_r) < 0)
		return 0;
	ret = pop3_policy_removals_intend(session, FALSE, &postponed->removals,
					  &postponed->intents, error_r);
	if (ret <= 0) {
		if (ret == 0)
			*error_r = "the policy changed";
		return 0;
	}
	ret = 0;
	if (postponed->move != NULL) {
		ret = pop3_policy_move_commit(postponed->move, postponed->t,
					      &postponed->removals,
					      &postponed->intents, error_r);
	}
	if (ret == 0) {
		ret = pop3_policy_removals_apply(session, postponed->t,
						 &postponed->removals,
						 &postponed->intents, error_r);
	}
	if (ret < 0) {
		pop3_policy_intents_outcome(session, &postponed->intents,
					    "failed");
	}
	return ret < 0 ? 0 : 1;
}

/* The mailbox was committed: say what came of it. */
static void finish(struct postponed *postponed)
{
	struct pop3_policy_session *session = postponed->session;
	const struct pop3_policy_removal *removal;
	ARRAY_TYPE(seq_range) gone;
	unsigned int stay;

	t_array_init(&gone, 16);
	pop3_policy_removals_expunged(session, &postponed->removals, &gone);
	stay = pop3_policy_removals_verify(session, &gone);
	pop3_policy_intents_outcome(session, &postponed->intents,
				    stay == 0 ? "committed" : "unknown");
	seq_range_array_merge(&session->removed, &gone);
	array_foreach(&postponed->removals, removal) {
		if (seq_range_exists(&gone, removal->uid))
			session->due_counts[removal->reason]++;
	}
}

/* Returns 0 if done, or left for later, -1 if the mailbox cannot be used. */
static int carry_out(struct postponed *postponed)
{
	struct pop3_policy_session *session = postponed->session;
	const char *error;

	if (begin(postponed, &error) == 0) {
		/* hidden as before */
		e_warning(session->event, "Postponed removals are left for a "
			  "later session: %s", error);
		mailbox_transaction_rollback(&postponed->t);
		return 0;
	}
	if (mailbox_transaction_commit(&postponed->t) < 0 ||
	    mailbox_sync(session->box, 0) < 0) {
		pop3_policy_intents_outcome(session, &postponed->intents,
					    "unknown");
		if (mailbox_get_last_mail_error(session->box) ==
		    MAIL_ERROR_PERM) {
			e_warning(session->event, "Postponed removals are left "
				  "for a later session: the mailbox does not "
				  "let its owner remove messages");
			return 0;
		}
		return pop3_policy_prepare_storage_failed(session,
			"Removing what was postponed");
	}
	finish(postponed);
	return 0;
}

static int decide_all(struct postponed *postponed)
{
	struct pop3_policy_session *session = postponed->session;
	struct pop3_policy_left_out left_out;
	const struct pop3_policy_removal *removal;
	const struct pop3_policy_due *due;

	array_foreach(&session->login->postponed, due) {
		if (strcmp(due->maildrop, session->drop->id) == 0 &&
		    !seq_range_exists(&session->gone, due->uid))
			decide(postponed, due);
	}
	pop3_policy_removals_sort(&postponed->removals);

	pop3_policy_left_out_init(&left_out, postponed->pool);
	postponed->t = mailbox_transaction_begin(session->box, 0, __func__);
	pop3_policy_removals_describe(session, postponed->t, postponed->pool,
				      &postponed->removals, &left_out);
	if (session->dry_run) {
		array_foreach(&postponed->removals, removal) {
			if (pop3_policy_action_removes(removal->action))
				session->due_counts[removal->reason]++;
		}
		(void)mailbox_transaction_commit(&postponed->t);
		return 0;
	}
	keep(session, "dele", &postponed->kept_dele);
	keep(session, "retrieved", &postponed->kept_retrieved);
	pop3_policy_due_left_out(session, &left_out);
	if (array_count(&postponed->removals) == 0) {
		(void)mailbox_transaction_commit(&postponed->t);
		return 0;
	}
	return carry_out(postponed);
}

int pop3_policy_postponed_decide(struct pop3_policy_session *session)
{
	struct postponed postponed;
	int ret;

	/* A master user looks after the mailbox, nothing more. */
	if (array_count(&session->login->postponed) == 0 ||
	    pop3_policy_session_is_master(session) ||
	    mailbox_is_readonly(session->box))
		return 0;

	i_zero(&postponed);
	postponed.session = session;
	postponed.pool = pool_alloconly_create("pop3-policy postponed", 4096);
	p_array_init(&postponed.removals, postponed.pool, 16);
	p_array_init(&postponed.intents, postponed.pool, 2);
	p_array_init(&postponed.kept_dele, postponed.pool, 4);
	p_array_init(&postponed.kept_retrieved, postponed.pool, 4);
	ret = decide_all(&postponed);
	pop3_policy_move_free(&postponed.move);
	pool_unref(&postponed.pool);
	return ret;
}
