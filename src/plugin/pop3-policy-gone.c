/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What IMAP, doveadm or autoexpunge removed is told to the database, so that
   its state goes and the audit knows. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

/* TRUE if messages that were there at the end of the last session are not
   there any more, or if more have state than there are: overlapping sessions
   may leave some behind. */
static bool some_are_gone(struct pop3_policy_session *session)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	struct mailbox_status status;
	uint32_t seq1, seq2, new_count = 0;
	unsigned int would_count = seq_range_count(&drop->would);

	if (drop->tracked == 0)
		return FALSE;
	mailbox_get_open_status(session->box, STATUS_MESSAGES, &status);
	/* a message may be counted as recorded by observe mode, too */
	if (status.messages < I_MAX(would_count, drop->tracked -
				    I_MIN(drop->tracked, would_count)))
		return TRUE;
	if (drop->messages == 0)
		return FALSE;
	mailbox_get_seq_range(session->box, I_MAX(drop->uidnext, 1),
			      (uint32_t)-1, &seq1, &seq2);
	if (seq1 != 0)
		new_count = seq2 - seq1 + 1;
	return status.messages - new_count < drop->messages;
}

/* Add those UIDs of the range to *missing that no message has. */
static void find_missing(struct mailbox *box, const struct seq_range *range,
			 ARRAY_TYPE(seq_range) *missing)
{
	uint32_t seq, seq1, seq2, uid;

	seq_range_array_add_range(missing, range->seq1, range->seq2);
	mailbox_get_seq_range(box, range->seq1, range->seq2, &seq1, &seq2);
	if (seq1 == 0)
		return;
	for (seq = seq1; seq <= seq2; seq++) {
		mail_index_lookup_uid(box->view, seq, &uid);
		seq_range_array_remove(missing, uid);
	}
}

int pop3_policy_gone_check(struct pop3_policy_session *session)
{
	struct pop3_policy_wire_message *reply;
	ARRAY_TYPE(seq_range) tracked, missing;
	const struct seq_range *range;
	const char *uids, *error;

	if (!some_are_gone(session))
		return 0;
	if (pop3_policy_uids_request(session, session->drop->id, FALSE,
				     &reply, &error) < 0)
		return pop3_policy_prepare_failed(session, error);

	t_array_init(&tracked, 16);
	t_array_init(&missing, 16);
	uids = pop3_policy_wire_get_str(&reply->head, "uids");
	if (uids != NULL && pop3_policy_uidset_parse(uids, &tracked) < 0) {
		pop3_policy_wire_message_free(&reply);
		return pop3_policy_prepare_failed(session, "UIDS: bad answer");
	}
	pop3_policy_wire_message_free(&reply);

	array_foreach(&tracked, range)
		find_missing(session->box, range, &missing);
	if (array_count(&missing) > 0) {
		pop3_policy_session_event(session, "gone", "gone", &missing,
					  0, NULL);
		seq_range_array_merge(&session->gone, &missing);
	}
	return 0;
}
