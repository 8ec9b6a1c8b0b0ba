/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-decide.h"
#include "pop3-policy-leave.h"
#include "pop3-policy-mass.h"
#include "pop3-policy-output.h"
#include "pop3-policy-session.h"

void pop3_policy_decisions_init(struct pop3_policy_session *session,
				struct pop3_policy_decisions *decisions)
{
	i_zero(decisions);
	decisions->pool = pool_alloconly_create("pop3-policy update", 4096);
	p_array_init(&decisions->removals, decisions->pool, 16);
	p_array_init(&decisions->leaving, decisions->pool, 16);
	decisions->would_before = array_count(&session->would);
}

static void
get_disposition(struct pop3_policy_session *session,
		struct pop3_policy_message_facts *facts,
		struct pop3_policy_disposition *disposition_r)
{
	struct pop3_policy_disposition other;

	pop3_policy_dispose(session->policy, facts, disposition_r);
	if (session->deleted_kw != NULL && facts->dele && facts->retrieved &&
	    disposition_r->reason == POP3_POLICY_REASON_DELE) {
		/* DELE only sets a keyword: what on_retrieve wants is more */
		facts->dele = FALSE;
		pop3_policy_dispose(session->policy, facts, &other);
		if (other.action >= disposition_r->action)
			*disposition_r = other;
	}
}

static void
add_removal(struct pop3_policy_session *session,
	    struct pop3_policy_decisions *decisions, uint32_t uid,
	    const struct pop3_policy_fetched *fetched,
	    const struct pop3_policy_disposition *disposition)
{
	struct pop3_policy_removal *removal =
		array_append_space(&decisions->removals);

	removal->uid = uid;
	if (fetched != NULL)
		guid_128_copy(removal->guid, fetched->guid);
	removal->action = disposition->action;
	removal->reason = disposition->reason;
	if (removal->action == POP3_POLICY_ACTION_MOVE) {
		removal->mailbox = session->policy->
			values[POP3_POLICY_PARAM_MOVE_MAILBOX].str;
	}
}

static void
add_retrieved(struct pop3_policy_session *session,
	      const struct pop3_policy_fetched *fetched,
	      const struct pop3_policy_disposition *disposition)
{
	struct pop3_policy_retrieved *retrieved;
	struct pop3_policy_would *would;

	retrieved = array_append_space(&session->retrieved);
	retrieved->uid = fetched->uid;
	guid_128_copy(retrieved->guid, fetched->guid);
	retrieved->size = fetched->size;
	retrieved->action = disposition->action;
	if (pop3_policy_action_removes(disposition->would_action) &&
	    !pop3_policy_action_removes(disposition->action)) {
		would = array_append_space(&session->would);
		would->uid = fetched->uid;
		guid_128_copy(would->guid, fetched->guid);
		would->size = fetched->size;
		would->reason = disposition->would_reason;
	}
}

static void
decide(struct pop3_policy_session *session,
       struct pop3_policy_decisions *decisions, uint32_t uid,
       const struct pop3_policy_fetched *fetched)
{
	struct pop3_policy_message_facts facts;
	struct pop3_policy_disposition disposition;

	i_zero(&facts);
	facts.master = pop3_policy_session_is_master(session);
	facts.dele = seq_range_exists(&session->dele, uid);
	facts.retrieved = fetched != NULL;
	facts.spared = session->drop != NULL &&
		seq_range_exists(&session->drop->spared, uid);
	facts.mass_delete = session->mass_mode == POP3_POLICY_MODE_ENFORCE;
	get_disposition(session, &facts, &disposition);

	if (disposition.action != POP3_POLICY_ACTION_NONE) {
		add_removal(session, decisions, uid, fetched,
			    &disposition);
	}
	if (disposition.action != POP3_POLICY_ACTION_NONE ||
	    disposition.would_action != POP3_POLICY_ACTION_NONE)
		seq_range_array_add(&decisions->leaving, uid);
	if (fetched != NULL && !facts.master)
		add_retrieved(session, fetched, &disposition);
}

/* FALSE if others removed it since the view was made. */
static bool is_there(struct mailbox_transaction_context *t, uint32_t uid)
{
	uint32_t seq;

	return mail_index_lookup_seq(t->view, uid, &seq) &&
		!mail_index_is_expunged(t->view, seq);
}

void pop3_policy_decide(struct pop3_policy_session *session,
			struct mailbox_transaction_context *t,
			struct pop3_policy_decisions *decisions)
{
	const struct pop3_policy_fetched *fetched;
	ARRAY_TYPE(seq_range) rest;
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid;

	array_clear(&decisions->removals);
	array_clear(&decisions->leaving);
	array_clear(&session->retrieved);
	array_delete(&session->would, decisions->would_before,
		     array_count(&session->would) - decisions->would_before);

	t_array_init(&rest, 16);
	/* a read-only mailbox keeps what it has */
	if (!mailbox_is_readonly(session->box))
		array_append_array(&rest, &session->dele);
	(void)mail_index_refresh(session->box->index);
	pop3_policy_mass_judge(session, t);
	array_foreach(&session->fetched, fetched) {
		if (!pop3_policy_output_confirmed(session, fetched))
			continue;
		if (is_there(t, fetched->uid))
			decide(session, decisions, fetched->uid, fetched);
		seq_range_array_remove(&rest, fetched->uid);
	}
	seq_range_array_iter_init(&iter, &rest);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (is_there(t, uid))
			decide(session, decisions, uid, NULL);
	}

	if (mailbox_is_readonly(session->box)) {
		array_clear(&decisions->removals);
		pop3_policy_decisions_forget(session, NULL);
	} else {
		pop3_policy_leave_decide(session, t, decisions);
	}
	pop3_policy_removals_sort(&decisions->removals);
}

void pop3_policy_decisions_hide(struct pop3_policy_session *session,
				const struct pop3_policy_decisions *decisions)
{
	const struct pop3_policy_removal *removal;
	struct pop3_policy_retrieved *retrieved;
	ARRAY_TYPE(seq_range) hidden;

	t_array_init(&hidden, 16);
	array_foreach(&decisions->removals, removal) {
		if (removal->action == POP3_POLICY_ACTION_HIDE)
			seq_range_array_add(&hidden, removal->uid);
	}
	array_foreach_modifiable(&session->retrieved, retrieved) {
		if (seq_range_exists(&hidden, retrieved->uid))
			retrieved->action = POP3_POLICY_ACTION_HIDE;
	}
}

void pop3_policy_decisions_forget(struct pop3_policy_session *session,
				  const ARRAY_TYPE(seq_range) *removed)
{
	struct pop3_policy_retrieved *retrieved;

	array_foreach_modifiable(&session->retrieved, retrieved) {
		if (pop3_policy_action_removes(retrieved->action) &&
		    (removed == NULL ||
		     !seq_range_exists(removed, retrieved->uid)))
			retrieved->action = POP3_POLICY_ACTION_NONE;
	}
}
