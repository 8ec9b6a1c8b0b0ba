/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* mass_delete_percent: counts what the session deletes unread, and tells. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-mass.h"
#include "pop3-policy-mass-delete.h"
#include "pop3-policy-session.h"

/* Neither fetched in this session nor ever retrieved. */
static bool is_unread(const struct pop3_policy_session *session, uint32_t uid)
{
	return !seq_range_exists(&session->fetched_uids, uid) &&
		(session->drop == NULL ||
		 !seq_range_exists(&session->drop->retrieved, uid));
}

static void
count_unread(const struct pop3_policy_session *session,
	     struct mailbox_transaction_context *t,
	     unsigned int *deleted_r, unsigned int *unread_r)
{
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t seq, uid;

	*deleted_r = *unread_r = 0;
	/* the messages that Dovecot numbered */
	seq_range_array_iter_init(&iter, &session->client->all_seqs);
	while (seq_range_array_iter_nth(&iter, n++, &seq)) {
		if (mail_index_is_expunged(t->view, seq))
			continue;
		mail_index_lookup_uid(t->view, seq, &uid);
		if (!is_unread(session, uid))
			continue;
		(*unread_r)++;
		if (seq_range_exists(&session->dele, uid))
			(*deleted_r)++;
	}
}

void pop3_policy_mass_judge(struct pop3_policy_session *session,
			    struct mailbox_transaction_context *t)
{
	const struct pop3_policy *policy = session->policy;
	enum pop3_policy_mode mode = pop3_policy_mode(policy);
	unsigned int deleted, unread;

	session->mass_mode = POP3_POLICY_MODE_NONE;
	if (mode == POP3_POLICY_MODE_NONE ||
	    array_count(&session->dele) == 0 ||
	    (session->drop != NULL && !session->drop->retrieved_known) ||
	    pop3_policy_num(policy, POP3_POLICY_PARAM_MASS_DELETE_PERCENT) ==
	    POP3_POLICY_NEVER)
		return;
	count_unread(session, t, &deleted, &unread);
	if (!pop3_policy_is_mass_delete(policy, deleted, unread))
		return;
	session->mass_mode = mode;
	session->mass_unread = unread;
	session->mass_deleted = deleted;
}

void pop3_policy_mass_report(struct pop3_policy_session *session)
{
	const char *event, *text;

	if (session->mass_mode == POP3_POLICY_MODE_NONE)
		return;
	event = session->mass_mode == POP3_POLICY_MODE_ENFORCE ?
		"mass-delete" : "would-mass-delete";
	/* which messages they are is in the intent */
	text = t_strdup_printf("%u of %u unread messages deleted",
			       session->mass_deleted, session->mass_unread);
	e_info(session->event, "%s: %s", event, text);
	pop3_policy_session_event(session, event, "mass-delete", NULL, 0, text);
}
