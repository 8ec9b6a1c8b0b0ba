/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* INTENT while the database cannot be asked: what is to be removed is hidden, and
   the client hears of success as soon as that cannot be lost any more. Other
   sessions see it from the OUTCOME on: a session may fail before, and no listing is
   to change back. */

#include "lib.h"
#include "array.h"
#include "pop3-policy-client.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-request-intent.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"
#include "pop3-policy-state-cache.h"

struct pop3_policy_postpone {
	struct pop3_policy_request *request;
	const char *session;
	uint32_t no;
};

static void pop3_policy_postpone_reply(struct pop3_policy_request *request)
{
	string_t *reply = pop3_policy_request_reply_begin(request);

	pop3_policy_wire_flag(reply, "offline", TRUE);
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_postpone_done(bool ok, void *context)
{
	struct pop3_policy_postpone *postpone = context;
	struct pop3_policy_request *request = postpone->request;

	if (request->ended)
		;
	else if (ok)
		pop3_policy_postpone_reply(request);
	else {
		pop3_policy_sessions_intent_over(
			pop3_policy_client_sessions(request->client),
			postpone->session, postpone->no);
		pop3_policy_request_fail(request, "temp",
			"the log on this host cannot be written");
	}
	pop3_policy_request_unref(&request);
}

void pop3_policy_intent_postpone(struct pop3_policy_request *request,
				 const char *user, const char *session,
				 const char *why)
{
	const struct pop3_policy_state_change *change;
	struct pop3_policy_postpone *postpone;
	struct pop3_policy_record *record;
	const char *error;

	record = pop3_policy_intent_record(request,
		POP3_POLICY_RECORD_POSTPONED, &error);
	i_assert(record != NULL);
	event_add_str(request->event, "offline", why);
	postpone = p_new(request->pool, struct pop3_policy_postpone, 1);
	postpone->request = request;
	postpone->session = session;
	change = pop3_policy_state_change_create(request->pool, TRUE,
						 request->message);
	postpone->no = change->no;
	pop3_policy_session_changed(pop3_policy_sessions_get(
		pop3_policy_client_sessions(request->client), session, user),
		change);
	if (request->pool_waiter != NULL)
		pop3_policy_pool_wait_cancel(&request->pool_waiter);
	pop3_policy_request_ref(request);
	pop3_policy_writer_add_durable(request->service->writer, record,
				       pop3_policy_postpone_done, postpone);
}
