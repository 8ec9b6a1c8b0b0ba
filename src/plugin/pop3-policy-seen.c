/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-seen.h"
#include "pop3-policy-session.h"

bool pop3_policy_seen_defer(struct pop3_policy_session *session,
			    struct mail *mail, enum modify_type modify_type,
			    enum mail_flags flags)
{
	const struct client *client = session->client;

	if (session->passing || mail->box != session->pop3_box ||
	    modify_type != MODIFY_ADD || flags != MAIL_SEEN)
		return FALSE;
	if (session->state == POP3_POLICY_SESSION_TRANSACTION &&
	    client != NULL && client->quit_seen && !client->destroyed) {
		/* UPDATE may find another policy: note it only */
		seq_range_array_add(&session->seen, mail->uid);
		return TRUE;
	}
	/* a session that ends otherwise retrieves nothing */
	return session->policy != NULL &&
		pop3_policy_marks_seen(session->policy) !=
		POP3_POLICY_MARK_SEEN_AS_CONFIGURED;
}

void pop3_policy_seen_find(const struct pop3_policy_session *session,
			   ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_retrieved *retrieved;

	switch (pop3_policy_marks_seen(session->policy)) {
	case POP3_POLICY_NO:
		break;
	case POP3_POLICY_YES:
		array_foreach(&session->retrieved, retrieved)
			seq_range_array_add(uids, retrieved->uid);
		break;
	case POP3_POLICY_MARK_SEEN_AS_CONFIGURED:
		seq_range_array_merge(uids, &session->seen);
		break;
	}
}

void pop3_policy_seen_apply(struct pop3_policy_session *session,
			    struct mailbox_transaction_context *t)
{
	ARRAY_TYPE(seq_range) uids;
	struct seq_range_iter iter;
	unsigned int n = 0;
	struct mail *mail;
	uint32_t uid;

	if (mailbox_is_readonly(session->box))
		return;
	t_array_init(&uids, 16);
	pop3_policy_seen_find(session, &uids);
	seq_range_array_remove_seq_range(&uids, &session->removing);
	if (array_count(&uids) == 0)
		return;
	mail = mail_alloc(t, 0, NULL);
	session->passing = TRUE;
	seq_range_array_iter_init(&iter, &uids);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_set_uid(mail, uid))
			mail_update_flags(mail, MODIFY_ADD, MAIL_SEEN);
	}
	session->passing = FALSE;
	mail_free(&mail);
}
