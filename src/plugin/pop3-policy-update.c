/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-anchor.h"
#include "pop3-policy-output.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-session.h"
#include "pop3-policy-update.h"

/* A policy that changes again and again while we ask is not waited for. */
#define MAX_STALE_RETRIES 3

#define TEXT_NOT_REMOVED \
	"No message was removed: the mail service cannot record the removal " \
	"at the moment. Please wait a few minutes and try again."

struct pop3_policy_decisions {
	pool_t pool;
	ARRAY_TYPE(pop3_policy_removal) removals;
	/* session->would had so many before UPDATE */
	unsigned int would_before;
	/* the policy was asked again, for removals without an intent */
	bool policy_confirmed;
};

/* The client hears the text behind -ERR [SYS/TEMP]. */
static void update_set_error(struct pop3_policy_session *session,
			     const char *error)
{
	e_error(session->event, "UPDATE failed, nothing was removed: %s",
		error);
	mail_storage_set_error(session->box->storage, MAIL_ERROR_TEMP,
			       TEXT_NOT_REMOVED);
}

/* POP3 "move" is not there yet: a message that is to leave the view leaves
   it, and stays in the mailbox. */
static enum pop3_policy_action
supported_action(enum pop3_policy_action action)
{
	return action == POP3_POLICY_ACTION_MOVE ?
		POP3_POLICY_ACTION_HIDE : action;
}

static void
decide(struct pop3_policy_session *session,
       struct pop3_policy_decisions *decisions, uint32_t uid,
       const struct pop3_policy_fetched *fetched)
{
	struct pop3_policy_message_facts facts;
	struct pop3_policy_disposition disposition;
	struct pop3_policy_removal *removal;
	struct pop3_policy_retrieved *retrieved;
	struct pop3_policy_would *would;

	i_zero(&facts);
	facts.master = pop3_policy_session_is_master(session);
	facts.dele = seq_range_exists(&session->dele, uid);
	facts.retrieved = fetched != NULL;
	facts.spared = session->drop != NULL &&
		seq_range_exists(&session->drop->spared, uid);
	pop3_policy_dispose(session->policy, &facts, &disposition);
	if (session->deleted_kw != NULL && facts.dele && facts.retrieved &&
	    disposition.reason == POP3_POLICY_REASON_DELE) {
		/* DELE only sets a keyword: what on_retrieve wants is more */
		struct pop3_policy_disposition other;

		facts.dele = FALSE;
		pop3_policy_dispose(session->policy, &facts, &other);
		if (other.action >= disposition.action)
			disposition = other;
	}
	disposition.action = supported_action(disposition.action);

	if (disposition.action != POP3_POLICY_ACTION_NONE) {
		removal = array_append_space(&decisions->removals);
		removal->uid = uid;
		if (fetched != NULL)
			guid_128_copy(removal->guid, fetched->guid);
		removal->action = disposition.action;
		removal->reason = disposition.reason;
	}
	if (fetched != NULL && !facts.master) {
		retrieved = array_append_space(&session->retrieved);
		retrieved->uid = uid;
		guid_128_copy(retrieved->guid, fetched->guid);
		retrieved->size = fetched->size;
		retrieved->action = disposition.action;
		if (disposition.would_action == POP3_POLICY_ACTION_EXPUNGE ||
		    disposition.would_action == POP3_POLICY_ACTION_MOVE) {
			would = array_append_space(&session->would);
			would->uid = uid;
			guid_128_copy(would->guid, fetched->guid);
			would->size = fetched->size;
			would->reason = disposition.would_reason;
		}
	}
}

/* A message that stays was retrieved, not removed. removed may be NULL: none
   was. */
static void forget_removals(struct pop3_policy_session *session,
			    const ARRAY_TYPE(seq_range) *removed)
{
	struct pop3_policy_retrieved *retrieved;

	array_foreach_modifiable(&session->retrieved, retrieved) {
		if (retrieved->action == POP3_POLICY_ACTION_EXPUNGE &&
		    (removed == NULL ||
		     !seq_range_exists(removed, retrieved->uid)))
			retrieved->action = POP3_POLICY_ACTION_NONE;
	}
}

/* Decide about every message that the client fetched or wants deleted, but not
   about those that others removed meanwhile. */
static void decide_all(struct pop3_policy_session *session,
		       struct mailbox_transaction_context *t,
		       struct pop3_policy_decisions *decisions)
{
	const struct pop3_policy_fetched *fetched;
	ARRAY_TYPE(seq_range) rest;
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid, seq;

	array_clear(&decisions->removals);
	array_clear(&session->retrieved);
	array_delete(&session->would, decisions->would_before,
		     array_count(&session->would) - decisions->would_before);

	t_array_init(&rest, 16);
	/* a read-only mailbox keeps what it has */
	if (!mailbox_is_readonly(session->box))
		array_append_array(&rest, &session->dele);
	(void)mail_index_refresh(session->box->index);
	array_foreach(&session->fetched, fetched) {
		if (!pop3_policy_output_confirmed(session, fetched))
			continue;
		if (mail_index_lookup_seq(t->view, fetched->uid, &seq) &&
		    !mail_index_is_expunged(t->view, seq))
			decide(session, decisions, fetched->uid, fetched);
		seq_range_array_remove(&rest, fetched->uid);
	}
	seq_range_array_iter_init(&iter, &rest);
	while (seq_range_array_iter_nth(&iter, n++, &uid))
		decide(session, decisions, uid, NULL);
	if (mailbox_is_readonly(session->box)) {
		array_clear(&decisions->removals);
		forget_removals(session, NULL);
	}
	pop3_policy_removals_sort(&decisions->removals);
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
static int update_confirm_policy(struct pop3_policy_session *session,
				 struct pop3_policy_decisions *decisions)
{
	const char *error;
	char *version;
	bool same;

	if (decisions->policy_confirmed)
		return 1;
	decisions->policy_confirmed = TRUE;
	version = i_strdup(session->login->version);
	if (pop3_policy_session_login_again(session, &error) < 0) {
		i_free(version);
		update_set_error(session, error);
		return -1;
	}
	same = strcmp(version, session->login->version) == 0;
	i_free(version);
	return same ? 1 : 0;
}

/* Returns 1 if the intents are durable, 0 if the policy changed meanwhile and
   the decisions are void, -1 if UPDATE fails. */
static int update_try(struct pop3_policy_session *session,
		      struct mailbox_transaction_context *t,
		      struct pop3_policy_decisions *decisions)
{
	struct pop3_policy_left_out left_out;
	const char *error;
	int ret;

	decide_all(session, t, decisions);
	if (array_count(&decisions->removals) == 0)
		return 1;
	if (!pop3_policy_needs_intent(session->policy))
		return update_confirm_policy(session, decisions);

	pop3_policy_left_out_init(&left_out, decisions->pool);
	pop3_policy_removals_describe(session, t, decisions->pool,
				      &decisions->removals, &left_out);
	if (array_count(&left_out.failed) > 0) {
		update_set_error(session, t_strdup_printf(
			"%u messages cannot be identified: %s",
			seq_range_count(&left_out.failed),
			mailbox_get_last_internal_error(t->box, NULL)));
		return -1;
	}
	if (array_count(&decisions->removals) == 0)
		return 1;
	ret = pop3_policy_removals_intend(session, &decisions->removals,
					  &session->committed_intents, &error);
	if (ret < 0) {
		update_set_error(session, error);
		return -1;
	}
	return ret;
}

static int update_begin(struct pop3_policy_session *session,
			struct mailbox_transaction_context *t,
			struct pop3_policy_decisions *decisions)
{
	const char *error;
	unsigned int tries = 0;
	int ret;

	while ((ret = update_try(session, t, decisions)) == 0) {
		if (++tries == MAX_STALE_RETRIES)
			error = "the policy keeps changing";
		else if (pop3_policy_session_login_again(session, &error) == 0)
			continue;
		update_set_error(session, error);
		return -1;
	}
	if (ret < 0)
		return -1;

	array_clear(&session->removing);
	pop3_policy_removals_expunged(session, &decisions->removals,
				      &session->removing);
	keep_anchor(session, t);
	if (pop3_policy_removals_apply(session, t, &decisions->removals,
				       &session->committed_intents,
				       &error) < 0) {
		pop3_policy_intents_outcome(session,
					    &session->committed_intents,
					    "failed");
		array_clear(&session->committed_intents);
		update_set_error(session, error);
		return -1;
	}
	return 0;
}

int pop3_policy_update_begin(struct pop3_policy_session *session,
			     struct mailbox_transaction_context *t)
{
	struct pop3_policy_decisions decisions;
	int ret;

	i_zero(&decisions);
	decisions.pool = pool_alloconly_create("pop3-policy update", 4096);
	p_array_init(&decisions.removals, decisions.pool, 16);
	decisions.would_before = array_count(&session->would);
	T_BEGIN {
		report_unconfirmed(session);
		ret = update_begin(session, t, &decisions);
	} T_END;
	pool_unref(&decisions.pool);

	if (ret < 0) {
		array_clear(&session->retrieved);
		array_clear(&session->would);
	}
	return ret;
}

void pop3_policy_update_commit_failed(struct pop3_policy_session *session)
{
	pop3_policy_intents_outcome(session, &session->committed_intents,
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
			forget_removals(session, &session->removing);
		}
		pop3_policy_intents_outcome(session,
					    &session->committed_intents,
					    result);
	} T_END;
	array_clear(&session->committed_intents);
	session->update_removed = seq_range_count(&session->removing);
	seq_range_array_merge(&session->removed, &session->removing);
	pop3_policy_session_end(session, "quit");
}
