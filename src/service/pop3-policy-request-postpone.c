/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* INTENT while the database cannot be asked: what is to be removed is hidden, and
   the client hears of success as soon as that cannot be lost any more. */

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
	struct pop3_policy_service *service;
	const char *user;
	struct pop3_policy_state_change *change;
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

	if (!ok) {
		pop3_policy_state_cache_take_back(postpone->service->states,
						  postpone->user,
						  postpone->change);
	}
	if (!request->ended) {
		if (ok)
			pop3_policy_postpone_reply(request);
		else {
			pop3_policy_request_fail(request, "temp",
				"the log on this host cannot be written");
		}
	}
	pop3_policy_request_unref(&request);
}

void pop3_policy_intent_postpone(struct pop3_policy_request *request,
				 const char *user, const char *session,
				 const char *why)
{
	struct pop3_policy_postpone *postpone;
	struct pop3_policy_record *record;
	const char *error;

	record = pop3_policy_intent_record(request,
		POP3_POLICY_RECORD_POSTPONED, &error);
	i_assert(record != NULL);
	event_add_str(request->event, "offline", why);
	postpone = p_new(request->pool, struct pop3_policy_postpone, 1);
	postpone->request = request;
	postpone->service = request->service;
	postpone->user = user;
	postpone->change = pop3_policy_state_change_create(request->pool, TRUE,
							   request->message);
	/* later sessions see it, whatever becomes of this one; and an outcome
	   that comes before the answer finds it */
	pop3_policy_state_cache_change(request->service->states, user,
				       postpone->change);
	pop3_policy_session_changed(pop3_policy_sessions_get(
		pop3_policy_client_sessions(request->client), session, user),
		postpone->change);
	if (request->pool_waiter != NULL)
		pop3_policy_pool_wait_cancel(&request->pool_waiter);
	pop3_policy_request_ref(request);
	pop3_policy_writer_add_durable(request->service->writer, record,
				       pop3_policy_postpone_done, postpone);
}
