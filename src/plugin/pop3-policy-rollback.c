/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* A mailbox that was put back from an older copy gives UIDs out again. State
   that was recorded for the former messages must not touch the new ones.

   All UIDs from some UID on are given out again. So if the UIDNEXT is not
   below the highest known one, a known message above that UID is either
   missing or has another GUID, and it is enough to look at the highest one
   that still exists. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

struct rollback_check {
	struct pop3_policy_session *session;
	struct mailbox_transaction_context *t;
	/* state from this UID on is not valid, 0 if all of it is */
	uint32_t invalid_from;
	/* a message with this UID is still the same: so are those below it */
	uint32_t proven_uid;
};

static int parse_state(const struct pop3_policy_wire_line *item,
		       uint32_t *uid_r, guid_128_t guid_r)
{
	const char *guid = pop3_policy_wire_get_str(item, "guid");

	return pop3_policy_wire_get_uint32(item, "uid", uid_r) <= 0 ||
		guid == NULL ? -1 : pop3_policy_guid_parse(guid, guid_r);
}

/* Compare all recorded identities. Happens only once after the mailbox was
   put back, or when hidden messages were removed by others. */
static int check_all(struct rollback_check *check, bool hidden_only)
{
	struct pop3_policy_session *session = check->session;
	struct pop3_policy_wire_message *reply;
	enum pop3_policy_identity identity;
	const char *error;
	guid_128_t guid;
	uint32_t uid;
	unsigned int i;
	int ret = 0;

	if (pop3_policy_uids_request(session, session->drop->id, TRUE,
				     &reply, &error) < 0)
		return pop3_policy_prepare_failed(session, error);

	for (i = 0; i < reply->item_count && ret == 0; i++) {
		const struct pop3_policy_wire_line *item = &reply->items[i];

		if (parse_state(item, &uid, guid) < 0) {
			ret = pop3_policy_prepare_failed(session,
				"UIDS: bad answer");
		} else if (hidden_only &&
			   !pop3_policy_wire_get_flag(item, "hidden")) {
			continue;
		} else if (pop3_policy_identity_check(check->t, uid, guid,
						      &identity) < 0) {
			ret = pop3_policy_prepare_storage_failed(session,
				"Looking up a message GUID");
		} else if (identity == POP3_POLICY_IDENTITY_OTHER &&
			   (check->invalid_from == 0 ||
			    uid < check->invalid_from)) {
			check->invalid_from = uid;
		} else if (identity == POP3_POLICY_IDENTITY_SAME &&
			   uid > check->proven_uid) {
			check->proven_uid = uid;
		}
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

/* Returns 1 if the message with a known GUID is another one now, 0 if it is
   the same or cannot tell, -1 on error. *missing_r tells which. */
static int check_one(struct rollback_check *check, uint32_t uid,
		     const guid_128_t guid, bool *missing_r)
{
	enum pop3_policy_identity identity;

	*missing_r = FALSE;
	if (uid == 0 || guid_128_is_empty(guid))
		return 0;
	if (pop3_policy_identity_check(check->t, uid, guid, &identity) < 0) {
		return pop3_policy_prepare_storage_failed(check->session,
			"Looking up a message GUID");
	}
	*missing_r = identity == POP3_POLICY_IDENTITY_MISSING;
	return identity == POP3_POLICY_IDENTITY_OTHER ? 1 : 0;
}

/* Returns 1 if hidden messages are others now, 0 if not, -1 on error. */
static int check_hidden(struct rollback_check *check)
{
	const struct pop3_policy_maildrop *drop = check->session->drop;
	bool missing;
	int ret;

	if (array_count(&drop->hidden) == 0)
		return 0;
	ret = check_one(check, drop->hidden_uid, drop->hidden_guid, &missing);
	if (ret != 0 || !missing)
		return ret;
	/* while nobody can be asked about the others, the anchor will do */
	if (check->session->login->offline &&
	    check->proven_uid >= drop->hidden_uid)
		return 0;
	/* others removed the highest one: look at them all */
	if (check_all(check, TRUE) < 0)
		return -1;
	return check->invalid_from > 0 ? 1 : 0;
}

/* expire_unretrieved takes the word of watermarks for the age of mail. They
   are trusted up to the highest message that is known to be the same. */
static int check_before(struct rollback_check *check)
{
	struct pop3_policy_maildrop *drop = check->session->drop;
	uint32_t seq1, seq2;

	if (drop->before <= 1)
		return 0;
	mailbox_get_seq_range(check->session->box, 1, drop->before - 1,
			      &seq1, &seq2);
	if (seq1 == 0)
		return 0;
	if (check->proven_uid == 0 && check_all(check, FALSE) < 0)
		return -1;
	if (check->invalid_from > 0)
		return 1;
	if (drop->before > check->proven_uid + 1)
		drop->before = check->proven_uid + 1;
	return 0;
}

/* Sets check->invalid_from. Looks at messages only where their state is about
   to matter; due messages are compared one by one when they are removed. */
static int check_identities(struct rollback_check *check)
{
	struct pop3_policy_session *session = check->session;
	const struct pop3_policy_maildrop *drop = session->drop;
	bool missing;
	int ret;

	if (session->uidnext < drop->uidnext) {
		check->invalid_from = session->uidnext;
		return check_all(check, FALSE);
	}
	if (array_count(&drop->hidden) == 0 && drop->view_from <= 1 &&
	    drop->before <= 1 && array_count(&drop->retrieved) == 0)
		return 0;

	ret = check_one(check, drop->anchor_uid, drop->anchor_guid, &missing);
	if (ret == 0) {
		session->anchor_missing = missing;
		if (drop->anchor_uid != 0 && !missing)
			check->proven_uid = drop->anchor_uid;
		ret = check_hidden(check);
	}
	if (ret == 0)
		ret = check_before(check);
	if (ret <= 0)
		return ret;
	if (check_all(check, FALSE) < 0)
		return -1;
	if (check->invalid_from == 0) {
		/* no message with state is concerned */
		check->invalid_from = drop->anchor_uid;
	}
	return 0;
}

static void drop_due(ARRAY_TYPE(pop3_policy_due) *list, uint32_t invalid_from)
{
	const struct pop3_policy_due *due;
	unsigned int i = 0;

	while (i < array_count(list)) {
		due = array_idx(list, i);
		if (due->uid >= invalid_from)
			array_delete(list, i, 1);
		else
			i++;
	}
}

static void drop_state(struct pop3_policy_session *session,
		       uint32_t invalid_from)
{
	struct pop3_policy_maildrop *drop = session->drop;

	e_warning(session->event, "The mailbox was put back to an older state: "
		  "UIDNEXT is %u, it was %u before. State from UID %u on is "
		  "dropped, and the time of arrival of all mail is now",
		  session->uidnext, drop->uidnext, invalid_from);
	pop3_policy_session_event(session, "rollback", NULL, NULL,
		invalid_from,
		t_strdup_printf("UIDNEXT %u, known %u", session->uidnext,
				drop->uidnext));

	seq_range_array_remove_range(&drop->hidden, invalid_from, (uint32_t)-1);
	seq_range_array_remove_range(&drop->spared, invalid_from, (uint32_t)-1);
	seq_range_array_remove_range(&drop->postponed, invalid_from,
				     (uint32_t)-1);
	seq_range_array_remove_range(&drop->retrieved, invalid_from,
				     (uint32_t)-1);
	drop_due(&session->login->due, invalid_from);
	drop_due(&session->login->postponed, invalid_from);
	/* the watermarks speak of UIDs that may have been given out again */
	drop->before = 0;
	drop->view_from = 0;
	drop->uidnext = 0;
	drop->anchor_uid = 0;
	drop->messages = 0;
}

int pop3_policy_rollback_check(struct pop3_policy_session *session)
{
	struct rollback_check check;
	int ret;

	i_zero(&check);
	check.session = session;
	check.t = mailbox_transaction_begin(session->box, 0, __func__);
	ret = check_identities(&check);
	/* keep what was added to the cache */
	(void)mailbox_transaction_commit(&check.t);

	if (ret == 0 && check.invalid_from > 0)
		drop_state(session, check.invalid_from);
	return ret;
}
