/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-anchor.h"
#include "pop3-policy-client.h"
#include "pop3-policy-notice.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"
#include "pop3-policy-view.h"

#define TEXT_STATE_UNKNOWN \
	"The mail service cannot tell which messages to show at the moment. " \
	"Please wait a few minutes and try again."

int pop3_policy_prepare_failed(struct pop3_policy_session *session,
			       const char *error)
{
	e_error(session->event, "Mailbox is not opened: %s", error);
	mail_storage_set_error(session->box->storage, MAIL_ERROR_TEMP,
			       TEXT_STATE_UNKNOWN);
	return -1;
}

int pop3_policy_prepare_storage_failed(struct pop3_policy_session *session,
				       const char *what)
{
	const char *error =
		mailbox_get_last_internal_error(session->box, NULL);

	return pop3_policy_prepare_failed(session,
		t_strdup_printf("%s failed: %s", what, error));
}

int pop3_policy_uids_request(struct pop3_policy_session *session,
			     const char *maildrop_id, bool guids,
			     struct pop3_policy_wire_message **reply_r,
			     const char **error_r)
{
	string_t *text = t_str_new(256);
	unsigned int id = pop3_policy_client_next_id(session->service);
	int ret;

	pop3_policy_session_wire(session, text, "UIDS", id);
	pop3_policy_wire_str(text, "maildrop", maildrop_id);
	pop3_policy_wire_flag(text, "guids", guids);
	pop3_policy_wire_end(text);
	ret = pop3_policy_client_request(session->service, id, text, reply_r,
					 error_r);
	if (ret == 0) {
		*error_r = t_strdup_printf("UIDS was refused: %s",
			pop3_policy_wire_get_str(&(*reply_r)->head, "text"));
		pop3_policy_wire_message_free(reply_r);
	}
	return ret > 0 ? 0 : -1;
}

static int prepare_identity(struct pop3_policy_session *session)
{
	struct mailbox_metadata metadata;
	struct mailbox_status status;

	if (mailbox_get_metadata(session->box, MAILBOX_METADATA_GUID,
				 &metadata) < 0) {
		return pop3_policy_prepare_storage_failed(session,
			"Looking up the mailbox GUID");
	}
	mailbox_get_open_status(session->box,
				STATUS_UIDVALIDITY | STATUS_UIDNEXT, &status);
	guid_128_copy(session->box_guid, metadata.guid);
	session->uidvalidity = status.uidvalidity;
	session->uidnext = status.uidnext;
	return 0;
}

/* Find the maildrop's state. State of the same user's mailbox under another
   identity is returned as *other_r. */
static void
find_maildrop(struct pop3_policy_session *session,
	      struct pop3_policy_maildrop **other_r)
{
	struct pop3_policy_maildrop *drop;

	*other_r = NULL;
	array_foreach_modifiable(&session->login->maildrops, drop) {
		if (guid_128_cmp(drop->guid, session->box_guid) == 0 &&
		    drop->uidvalidity == session->uidvalidity) {
			session->drop = drop;
			return;
		}
		/* the most recently used one comes first */
		if (*other_r == NULL)
			*other_r = drop;
	}
}

/* What others removed is found by the next session that can tell: until then the
   messages are counted as if they were there. */
static uint32_t count_offline(struct pop3_policy_session *session,
			      uint32_t messages)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	uint32_t seq1, seq2;

	if (drop == NULL || drop->messages == 0)
		return messages;
	mailbox_get_seq_range(session->box, I_MAX(drop->uidnext, 1),
			      (uint32_t)-1, &seq1, &seq2);
	return I_MAX(messages, drop->messages +
		     (seq1 == 0 ? 0 : seq2 - seq1 + 1));
}

/* While the database is away nothing is removed and nothing is asked for. The
   view is made of what this host knows, if that is about this mailbox. */
static int prepare_offline(struct pop3_policy_session *session,
			   const struct pop3_policy_maildrop *other)
{
	if (session->drop == NULL && other != NULL) {
		return pop3_policy_prepare_failed(session,
			"The mailbox has a new identity, and the database "
			"that knows the old one is away");
	}
	return session->drop == NULL ? 0 : pop3_policy_rollback_check(session);
}

static int prepare(struct pop3_policy_session *session)
{
	struct pop3_policy_maildrop *other;
	struct mailbox_status status;

	if (prepare_identity(session) < 0)
		return -1;
	find_maildrop(session, &other);
	if (session->login->offline) {
		if (prepare_offline(session, other) < 0)
			return -1;
	} else if (session->drop == NULL && other != NULL) {
		if (pop3_policy_carry(session, other) < 0)
			return -1;
	} else if (session->drop != NULL) {
		if (pop3_policy_rollback_check(session) < 0)
			return -1;
		pop3_policy_repair(session);
		if (pop3_policy_gone_check(session) < 0 ||
		    pop3_policy_postponed_decide(session) < 0 ||
		    pop3_policy_due_remove(session) < 0)
			return -1;
	}
	if (!session->sweep) {
		if (!session->login->offline)
			pop3_policy_notice_login(session);
		pop3_policy_view_fix(session);
	}
	mailbox_get_open_status(session->box,
				STATUS_UIDNEXT | STATUS_MESSAGES, &status);
	session->uidnext = status.uidnext;
	session->messages = session->login->offline ?
		count_offline(session, status.messages) : status.messages;
	session->prepared = TRUE;
	pop3_policy_anchor_update(session);
	return 0;
}

/* Only what would be removed: a mailbox that has changed its identity waits
   for the real one. */
static int prepare_look(struct pop3_policy_session *session)
{
	struct pop3_policy_maildrop *other;

	if (prepare_identity(session) < 0)
		return -1;
	find_maildrop(session, &other);
	if (session->drop == NULL)
		return 0;
	return pop3_policy_postponed_decide(session) < 0 ? -1 :
		pop3_policy_due_remove(session);
}

int pop3_policy_prepare(struct pop3_policy_session *session,
			struct mailbox *box)
{
	int ret;

	session->pop3_box = session->box = box;
	session->drop = NULL;
	if (session->client != NULL &&
	    session->client->set->parsed_delete_type == POP3_DELETE_TYPE_FLAG)
		session->deleted_kw = session->client->deleted_kw;
	T_BEGIN {
		ret = session->dry_run ? prepare_look(session) :
			prepare(session);
	} T_END;
	return ret;
}
