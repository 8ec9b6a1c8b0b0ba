/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* on_dele=refuse: the client's DELE is answered with -ERR.

   DELE calls nothing that could be overridden. It marks the message and says
   +OK; the mark is taken back before anybody has seen it, while the reply is
   on its way. Dovecot takes the command for a good one, so a client that tries
   to delete all of its messages is not sent away for bad commands. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-output.h"
#include "pop3-policy-refuse.h"
#include "pop3-policy-session.h"

#define DELE_REPLY "+OK Marked to be deleted.\r\n"

static bool is_on_dele_refuse(const struct pop3_policy_session *session,
			      enum pop3_policy_enforcement enforcement)
{
	return pop3_policy_num(session->policy,
			       POP3_POLICY_PARAM_ENFORCEMENT) ==
			(int64_t)enforcement &&
		pop3_policy_num(session->policy, POP3_POLICY_PARAM_ON_DELE) ==
			POP3_POLICY_ON_DELE_REFUSE;
}

/* Note the marked messages. Since every mark is taken back at once there is
   one. */
static void refuse_note(struct pop3_policy_session *session)
{
	const struct client *client = session->client;
	uint32_t msgnum, seq, uid;

	if (client->deleted_bitmask == NULL || client->trans == NULL)
		return;
	for (msgnum = 0; msgnum < client->messages_count; msgnum++) {
		unsigned char bits =
			client->deleted_bitmask[msgnum / CHAR_BIT];

		if (bits == 0) {
			msgnum |= CHAR_BIT - 1;
			continue;
		}
		if ((bits & (1 << (msgnum % CHAR_BIT))) == 0)
			continue;
		seq = msgnum < client->msgnum_to_seq_map_count ?
			client->msgnum_to_seq_map[msgnum] : msgnum + 1;
		mail_index_lookup_uid(client->trans->view, seq, &uid);
		seq_range_array_add(&session->refused, uid);
	}
}

static const string_t *
refuse_text(const struct pop3_policy *policy)
{
	int days = pop3_policy_expire_days(policy);
	string_t *text = t_str_new(256);

	str_append(text, "-ERR Mail cannot be deleted by POP3 here, "
		   "the message stays. ");
	if (days < 0)
		str_append(text, "This server keeps your mail.");
	else if (days == 0)
		str_append(text, "This server removes mail by itself "
			   "once its time is over.");
	else {
		str_printfa(text, "This server removes mail by itself, "
			    "after %d day%s at the earliest.",
			    days, days == 1 ? "" : "s");
	}
	str_append(text, "\r\n");
	return text;
}

const string_t *
pop3_policy_refuse_reply(struct pop3_policy_session *session,
			 const void *data, size_t size)
{
	if (size != sizeof(DELE_REPLY) - 1 ||
	    memcmp(data, DELE_REPLY, size) != 0 ||
	    !is_on_dele_refuse(session, POP3_POLICY_ENFORCEMENT_ENFORCE) ||
	    !pop3_policy_output_command_is("dele"))
		return NULL;

	refuse_note(session);
	pop3_policy_compat_undelete(session->client);
	return refuse_text(session->policy);
}

void pop3_policy_refuse_report(struct pop3_policy_session *session)
{
	if (array_count(&session->refused) > 0) {
		pop3_policy_session_event(session, "refused", "dele",
					  &session->refused, 0, NULL);
	} else if (array_count(&session->dele) > 0 &&
		   is_on_dele_refuse(session,
				     POP3_POLICY_ENFORCEMENT_OBSERVE)) {
		/* those that QUIT acted on */
		pop3_policy_session_event(session, "would-refuse", "dele",
					  &session->dele, 0, NULL);
	}
}
