/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* An intent whose session ended without telling its outcome is settled by
   looking: messages that are still there are released, the others are
   presumed to have been removed by it. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-client.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

/* Returns 1 if the intent is ours now, 0 if it is not to be repaired, -1 and
   *error_r if that is not known. */
static int
claim(struct pop3_policy_session *session,
      const struct pop3_policy_open_intent *intent,
      struct pop3_policy_wire_message **reply_r, const char **error_r)
{
	string_t *text = t_str_new(256);
	unsigned int id = pop3_policy_client_next_id(session->service);
	const char *code;
	int ret;

	pop3_policy_session_wire(session, text, "CLAIM", id);
	pop3_policy_wire_str(text, "intent_session",
			     guid_128_to_string(intent->session));
	pop3_policy_wire_num(text, "no", intent->no);
	pop3_policy_wire_end(text);
	ret = pop3_policy_client_request(session->service, id, text, reply_r,
					 error_r);
	if (ret != 0)
		return ret;
	code = pop3_policy_wire_get_str(&(*reply_r)->head, "code");
	if (code == NULL || strcmp(code, "fenced") != 0) {
		*error_r = t_strdup(pop3_policy_wire_get_str(&(*reply_r)->head,
							     "text"));
		ret = -1;
	}
	pop3_policy_wire_message_free(reply_r);
	return ret;
}

/* Returns 0 and the two sets, -1 if a message cannot be looked up. */
static int
look(struct pop3_policy_session *session,
     const struct pop3_policy_wire_message *claimed,
     ARRAY_TYPE(seq_range) *released, ARRAY_TYPE(seq_range) *presumed)
{
	struct mailbox_transaction_context *t;
	enum pop3_policy_identity identity;
	const char *guid_str;
	guid_128_t guid;
	uint32_t uid;
	unsigned int i;
	int ret = 0;

	t = mailbox_transaction_begin(session->box, 0, __func__);
	for (i = 0; i < claimed->item_count && ret == 0; i++) {
		const struct pop3_policy_wire_line *item = &claimed->items[i];

		guid_str = pop3_policy_wire_get_str(item, "guid");
		if (guid_str == NULL ||
		    pop3_policy_guid_parse(guid_str, guid) < 0 ||
		    pop3_policy_wire_get_uint32(item, "uid", &uid) <= 0 ||
		    pop3_policy_identity_check(t, uid, guid, &identity) < 0)
			ret = -1;
		else if (identity == POP3_POLICY_IDENTITY_SAME)
			seq_range_array_add(released, uid);
		else
			seq_range_array_add(presumed, uid);
	}
	(void)mailbox_transaction_commit(&t);
	return ret;
}

static void
send_repair(struct pop3_policy_session *session,
	    const struct pop3_policy_open_intent *intent,
	    const ARRAY_TYPE(seq_range) *released,
	    const ARRAY_TYPE(seq_range) *presumed)
{
	string_t *text = t_str_new(256), *set = t_str_new(64);

	pop3_policy_session_wire(session, text, "REPAIR", 0);
	pop3_policy_wire_str(text, "intent_session",
			     guid_128_to_string(intent->session));
	pop3_policy_wire_num(text, "no", intent->no);
	pop3_policy_uidset_append(set, released);
	pop3_policy_wire_str(text, "released", str_c(set));
	str_truncate(set, 0);
	pop3_policy_uidset_append(set, presumed);
	pop3_policy_wire_str(text, "presumed", str_c(set));
	pop3_policy_wire_end(text);
	pop3_policy_session_send(session, text);
	e_info(session->event, "Repaired intent %u of session %s: "
	       "%u messages are still there, %u are gone",
	       intent->no, guid_128_to_string(intent->session),
	       seq_range_count(released), seq_range_count(presumed));
}

static void repair(struct pop3_policy_session *session,
		   const struct pop3_policy_open_intent *intent)
{
	struct pop3_policy_wire_message *reply;
	ARRAY_TYPE(seq_range) released, presumed;
	const char *error;
	int ret;

	if ((ret = claim(session, intent, &reply, &error)) <= 0) {
		if (ret < 0) {
			e_warning(session->event, "An open intent is left for "
				  "a later session: %s", error);
		}
		return;
	}
	t_array_init(&released, 16);
	t_array_init(&presumed, 16);
	if (look(session, reply, &released, &presumed) == 0)
		send_repair(session, intent, &released, &presumed);
	else {
		e_warning(session->event, "An open intent is left for a later "
			  "session: %s",
			  mailbox_get_last_internal_error(session->box, NULL));
	}
	pop3_policy_wire_message_free(&reply);
}

void pop3_policy_repair(struct pop3_policy_session *session)
{
	const struct pop3_policy_open_intent *intent;

	array_foreach(&session->login->intents, intent) {
		if (strcmp(intent->maildrop, session->drop->id) == 0) T_BEGIN {
			repair(session, intent);
		} T_END;
	}
}
