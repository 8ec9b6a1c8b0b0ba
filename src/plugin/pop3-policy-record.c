/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The SESSION record: what a session did, sent once at its end. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "pop3-common.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-download.h"
#include "pop3-policy-output.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-refuse.h"
#include "pop3-policy-session.h"

static void
append_uidset(string_t *dest, const char *key,
	      const ARRAY_TYPE(seq_range) *uids)
{
	string_t *set;

	if (array_count(uids) == 0)
		return;
	set = t_str_new(64);
	pop3_policy_uidset_append(set, uids);
	pop3_policy_wire_str(dest, key, str_c(set));
}

static void
append_mailbox(struct pop3_policy_session *session, string_t *dest)
{
	/* A session whose preparation failed knows nothing that later ones
	   could build on. */
	if (!session->prepared)
		return;
	pop3_policy_session_wire_mailbox(session, dest);
	pop3_policy_wire_num(dest, "uidnext", session->uidnext);
	/* What the view was made of, less what was removed since by this
	   session. The mailbox's own numbers would hide from the next session
	   what others removed meanwhile. */
	pop3_policy_wire_num(dest, "uidnext_end", session->uidnext);
	pop3_policy_wire_num(dest, "messages", session->messages -
			     I_MIN(session->messages, session->update_removed));
	if (session->anchor_uid != 0) {
		pop3_policy_wire_num(dest, "anchor_uid", session->anchor_uid);
		pop3_policy_wire_str(dest, "anchor_guid",
				     guid_128_to_string(session->anchor_guid));
	}
}

static void
append_counters(struct pop3_policy_session *session, string_t *dest)
{
	const struct client *client = session->client;

	if (client != NULL) {
		pop3_policy_wire_num(dest, "retr", client->retr_count);
		pop3_policy_wire_num(dest, "top", client->top_count);
		pop3_policy_wire_num(dest, "dele", client->deleted_count);
		pop3_policy_wire_num(dest, "bytes",
				     pop3_policy_output_fetch_bytes(session));
	}
	append_uidset(dest, "fetched", &session->fetched_uids);
	append_uidset(dest, "removed", &session->removed);
}

static void
append_items(struct pop3_policy_session *session, string_t *dest)
{
	const struct pop3_policy_retrieved *retrieved;
	const struct pop3_policy_would *would;

	array_foreach(&session->retrieved, retrieved) {
		pop3_policy_wire_item(dest, "retrieved");
		pop3_policy_wire_num(dest, "uid", retrieved->uid);
		pop3_policy_wire_str(dest, "guid",
				     guid_128_to_string(retrieved->guid));
		pop3_policy_wire_num(dest, "size", retrieved->size);
		pop3_policy_wire_str(dest, "action",
			pop3_policy_action_name(retrieved->action));
		pop3_policy_wire_end(dest);
	}
	array_foreach(&session->would, would) {
		pop3_policy_wire_item(dest, "would");
		pop3_policy_wire_num(dest, "uid", would->uid);
		pop3_policy_wire_str(dest, "guid",
				     guid_128_to_string(would->guid));
		pop3_policy_wire_num(dest, "size", would->size);
		pop3_policy_wire_str(dest, "reason",
				     pop3_policy_reason_name(would->reason));
		pop3_policy_wire_end(dest);
	}
}

/* One message has at most POP3_POLICY_MAX_ITEMS items. A session that
   retrieved more than that loses the clocks of the last ones: they start when
   the client fetches them again, so nothing is removed early. */
static void limit_items(struct pop3_policy_session *session)
{
	unsigned int max = POP3_POLICY_MAX_ITEMS;

	if (array_count(&session->retrieved) > max) {
		e_warning(session->event, "%u messages were retrieved in one "
			  "session, only %u are recorded",
			  array_count(&session->retrieved), max);
		array_delete(&session->retrieved, max,
			     array_count(&session->retrieved) - max);
	}
	max -= array_count(&session->retrieved);
	if (array_count(&session->would) > max) {
		array_delete(&session->would, max,
			     array_count(&session->would) - max);
	}
}

static void session_record_send(struct pop3_policy_session *session)
{
	string_t *text = t_str_new(512);
	uint64_t usecs = (pop3_policy_clock_nsecs() - session->login_nsecs) / 1000;

	limit_items(session);
	pop3_policy_session_wire(session, text, "SESSION", 0);
	pop3_policy_session_wire_origin(session, text);
	pop3_policy_wire_flag(text, "tls",
			      pop3_policy_compat_is_tls(session->user));
	pop3_policy_wire_str(text, "started", session->login->now);
	pop3_policy_wire_str(text, "duration",
		t_strdup_printf("%"PRIu64".%06u", usecs / 1000000,
				(unsigned int)(usecs % 1000000)));
	pop3_policy_wire_str(text, "ended_by", session->ended_by);
	append_mailbox(session, text);
	append_counters(session, text);
	if (array_count(&session->retrieved) + array_count(&session->would) > 0) {
		pop3_policy_wire_num(text, "items",
				     array_count(&session->retrieved) +
				     array_count(&session->would));
	}
	pop3_policy_wire_end(text);
	append_items(session, text);
	pop3_policy_session_send(session, text);
}

void pop3_policy_session_end(struct pop3_policy_session *session,
			     const char *ended_by)
{
	if (session->state == POP3_POLICY_SESSION_ENDED)
		return;
	session->state = POP3_POLICY_SESSION_ENDED;
	session->ended_by = ended_by;
	/* without an answer to LOGIN the service knows of no session */
	if (session->login != NULL) T_BEGIN {
		pop3_policy_refuse_report(session);
		pop3_policy_download_report(session);
		session_record_send(session);
	} T_END;
}
