/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage-private.h"
#include "pop3-policy-anchor.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-session.h"

void pop3_policy_anchor_find(struct pop3_policy_session *session,
			     struct mailbox_transaction_context *t,
			     const ARRAY_TYPE(seq_range) *except)
{
	struct mail *mail;
	uint32_t uid = 0, seq = mail_index_view_get_messages_count(t->view);
	guid_128_t guid;

	for (; seq > 0; seq--) {
		mail_index_lookup_uid(t->view, seq, &uid);
		if (except == NULL || !seq_range_exists(except, uid))
			break;
	}
	if (seq == 0)
		return;
	mail = mail_alloc(t, MAIL_FETCH_GUID, NULL);
	mail_set_seq(mail, seq);
	if (pop3_policy_mail_guid(mail, guid) == 0 &&
	    !guid_128_is_empty(guid)) {
		session->anchor_uid = uid;
		guid_128_copy(session->anchor_guid, guid);
	}
	mail_free(&mail);
}

void pop3_policy_anchor_update(struct pop3_policy_session *session)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	struct mailbox_transaction_context *t;
	uint32_t uid, count =
		mail_index_view_get_messages_count(session->box->view);

	if (count == 0)
		return;
	mail_index_lookup_uid(session->box->view, count, &uid);
	if (drop != NULL && drop->anchor_uid >= uid &&
	    !session->anchor_missing &&
	    !seq_range_exists(&session->removed, drop->anchor_uid))
		return;
	t = mailbox_transaction_begin(session->box, 0, __func__);
	pop3_policy_anchor_find(session, t, NULL);
	(void)mailbox_transaction_commit(&t);
}
