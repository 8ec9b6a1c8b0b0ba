/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Messages whose time has come go before the view is made, a bounded number
   at a time. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-session.h"

static void
add_due(ARRAY_TYPE(pop3_policy_removal) *removals, uint32_t uid,
	const guid_128_t guid, enum pop3_policy_reason reason)
{
	struct pop3_policy_removal *removal = array_append_space(removals);

	removal->uid = uid;
	if (guid != NULL)
		guid_128_copy(removal->guid, guid);
	removal->action = POP3_POLICY_ACTION_EXPUNGE;
	removal->reason = reason;
}

/* Observe mode records a message once; enforce removes what it recorded. */
static bool is_recorded(struct pop3_policy_session *session, uint32_t uid)
{
	return !pop3_policy_removes_due(session->policy) &&
		seq_range_exists(&session->drop->would, uid);
}

static void count_due(struct pop3_policy_session *session,
		      const ARRAY_TYPE(pop3_policy_removal) *removals,
		      const ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_removal *removal;

	array_foreach(removals, removal) {
		if (uids == NULL || seq_range_exists(uids, removal->uid))
			session->due_counts[removal->reason]++;
	}
}

/* Messages that were retrieved or hidden long enough ago. */
static void collect_state(struct pop3_policy_session *session,
			  ARRAY_TYPE(pop3_policy_removal) *removals,
			  ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_due *due;

	array_foreach(&session->login->due, due) {
		if (strcmp(due->maildrop, session->drop->id) != 0 ||
		    is_recorded(session, due->uid) ||
		    seq_range_exists(&session->gone, due->uid))
			continue;
		if (!seq_range_array_add(uids, due->uid))
			add_due(removals, due->uid, due->guid, due->reason);
	}
}

/* Messages that arrived long enough ago and were never retrieved. Looks only
   at those that are below the watermark and not exempt, not at the whole
   maildrop. */
static void collect_unretrieved(struct pop3_policy_session *session,
				ARRAY_TYPE(pop3_policy_removal) *removals,
				ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	ARRAY_TYPE(seq_range) candidates;
	const struct seq_range *range;
	uint32_t seq, seq1, seq2, uid;

	if (drop->before <= 1)
		return;
	t_array_init(&candidates, array_count(&drop->exempt) + 1);
	seq_range_array_add_range(&candidates, 1, drop->before - 1);
	seq_range_array_remove_seq_range(&candidates, &drop->exempt);
	array_foreach(&candidates, range) {
		mailbox_get_seq_range(session->box, range->seq1, range->seq2,
				      &seq1, &seq2);
		for (seq = seq1; seq != 0 && seq <= seq2; seq++) {
			if (array_count(removals) >= POP3_POLICY_MAX_DUE)
				return;
			mail_index_lookup_uid(session->box->view, seq, &uid);
			if (!is_recorded(session, uid) &&
			    !seq_range_array_add(uids, uid)) {
				add_due(removals, uid, NULL,
					POP3_POLICY_REASON_EXPIRED_UNRETRIEVED);
			}
		}
	}
}

void
pop3_policy_due_left_out(struct pop3_policy_session *session,
			 const struct pop3_policy_left_out *left_out)
{
	if (array_count(&left_out->mismatched) > 0) {
		/* state whose message is another one is void */
		e_warning(session->event, "%u due messages are not those whose "
			  "retrieval was recorded; they stay, their state is "
			  "dropped", seq_range_count(&left_out->mismatched));
		pop3_policy_session_event(session, "mismatch", NULL,
					  &left_out->mismatched, 0, NULL);
		seq_range_array_remove_seq_range(&session->drop->hidden,
						 &left_out->mismatched);
		seq_range_array_remove_seq_range(&session->drop->postponed,
						 &left_out->mismatched);
	}
	if (array_count(&left_out->gone) > 0) {
		/* else they would be due for ever */
		pop3_policy_session_event(session, "gone", "gone",
					  &left_out->gone, 0, NULL);
	}
	if (array_count(&left_out->failed) > 0) {
		e_warning(session->event, "%u due messages cannot be "
			  "identified, they stay: %s",
			  seq_range_count(&left_out->failed),
			  mailbox_get_last_internal_error(session->box, NULL));
	}
}

/* Returns 0 if the removals were committed or are left for later, -1 if the
   mailbox cannot be used. The transaction ends in any case. */
static int commit_removals(struct pop3_policy_session *session,
			   struct mailbox_transaction_context **t,
			   const ARRAY_TYPE(pop3_policy_removal) *removals)
{
	ARRAY_TYPE(pop3_policy_intent) intents;
	ARRAY_TYPE(seq_range) expunged;
	const char *error;
	int ret;

	t_array_init(&intents, 2);
	ret = pop3_policy_removals_intend(session, FALSE, removals, &intents,
					  &error);
	if (ret == 0)
		error = "the policy changed";
	if (ret > 0 &&
	    pop3_policy_removals_apply(session, *t, removals, &intents,
				       &error) < 0) {
		pop3_policy_intents_outcome(session, &intents, "failed");
		ret = -1;
	}
	if (ret <= 0) {
		/* What is due today is due tomorrow as well. */
		e_warning(session->event, "Due messages are left for a later "
			  "session: %s", error);
		mailbox_transaction_rollback(t);
		return 0;
	}
	if (mailbox_transaction_commit(t) < 0 ||
	    mailbox_sync(session->box, 0) < 0) {
		pop3_policy_intents_outcome(session, &intents, "unknown");
		if (mailbox_get_last_mail_error(session->box) ==
		    MAIL_ERROR_PERM) {
			/* Missing rights keep messages, not their owner out.
			   A later session sees that they are still there. */
			e_warning(session->event, "Due messages stay: the "
				  "mailbox does not let its owner remove them");
			return 0;
		}
		return pop3_policy_prepare_storage_failed(session,
			"Removing due messages");
	}
	t_array_init(&expunged, 16);
	pop3_policy_removals_expunged(session, removals, &expunged);
	ret = pop3_policy_removals_verify(session, &expunged);
	pop3_policy_intents_outcome(session, &intents,
				    ret == 0 ? "committed" : "unknown");
	seq_range_array_merge(&session->removed, &expunged);
	count_due(session, removals, &expunged);
	return 0;
}

static int due_remove(struct pop3_policy_session *session, pool_t pool,
		      ARRAY_TYPE(pop3_policy_removal) *removals)
{
	struct mailbox_transaction_context *t;
	struct pop3_policy_left_out left_out;
	bool removes = pop3_policy_removes_due(session->policy);

	pop3_policy_left_out_init(&left_out, pool);
	t = mailbox_transaction_begin(session->box, 0, __func__);
	pop3_policy_removals_describe(session, t, pool, removals, &left_out);
	if (session->dry_run) {
		if (removes)
			count_due(session, removals, NULL);
		(void)mailbox_transaction_commit(&t);
		return 0;
	}
	pop3_policy_due_left_out(session, &left_out);
	if (removes && array_count(removals) > 0)
		return commit_removals(session, &t, removals);

	if (!removes)
		pop3_policy_removals_would(session, removals);
	(void)mailbox_transaction_commit(&t);
	return 0;
}

int pop3_policy_due_remove(struct pop3_policy_session *session)
{
	ARRAY_TYPE(pop3_policy_removal) removals;
	ARRAY_TYPE(seq_range) uids;
	pool_t pool;
	int ret = 0;

	/* A master user looks after the mailbox, nothing more. */
	if (pop3_policy_session_is_master(session) ||
	    mailbox_is_readonly(session->box) || session->policy->paused ||
	    pop3_policy_mode(session->policy) == POP3_POLICY_MODE_NONE)
		return 0;

	pool = pool_alloconly_create("pop3-policy due", 4096);
	p_array_init(&removals, pool, 16);
	t_array_init(&uids, 16);
	collect_state(session, &removals, &uids);
	collect_unretrieved(session, &removals, &uids);
	pop3_policy_removals_sort(&removals);
	if (array_count(&removals) > 0)
		ret = due_remove(session, pool, &removals);
	pool_unref(&pool);
	return ret;
}
