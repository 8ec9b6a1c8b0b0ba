/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* DOWNLOAD: may a session send more under download_daily? What it sends is
   counted before it is sent, in a transaction of its own on a reader's
   connection: the client waits for the answer, and there is no row of the chain
   that it would have to follow. */

#include "lib.h"
#include "str.h"
#include "pop3-policy-client.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"

/* Sums of these have room in 64 bits. */
#define POP3_POLICY_DOWNLOAD_MAX_BYTES (1LL << 56)

struct pop3_policy_download {
	/* the parameters of pop3.download_reserve() */
	const char *params[5];
};

static void
pop3_policy_download_answered(struct pop3_policy_request *request,
			      const struct pop3_policy_db_result *result)
{
	const char *used = pop3_policy_db_result_get(result, 0, 0);
	const char *wait = pop3_policy_db_result_get(result, 0, 1);
	string_t *reply;

	if (used == NULL) {
		pop3_policy_request_fail_temp(request,
			"pop3.download_reserve() returned nothing");
		return;
	}
	event_add_str(request->event, "used", used);
	if (wait != NULL)
		event_add_str(request->event, "wait", wait);
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_str(reply, "used", used);
	pop3_policy_wire_str(reply, "wait", wait);
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_download_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_download *download = request->context;
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_DOWNLOAD_RESERVE, download->params,
		pop3_policy_download_answered
	};

	/* a limit on load must not add to it; the session's end tells what was
	   sent */
	if (pop3_policy_pool_is_overloaded(request->service->pool)) {
		pop3_policy_request_fail_temp(request,
			"the database does not keep up");
		return;
	}
	pop3_policy_request_query(request, &query, 1);
}

void pop3_policy_request_download(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_download *download;
	struct pop3_policy_session *session;
	unsigned int i;

	download = p_new(request->pool, struct pop3_policy_download, 1);
	download->params[0] = pop3_policy_fields_user(&fields);
	download->params[1] = pop3_policy_fields_guid(&fields, "session",
						      POP3_POLICY_REQUIRED);
	download->params[2] = pop3_policy_fields_num(&fields, "limit", 1,
						     1LL << 62,
						     POP3_POLICY_REQUIRED);
	download->params[3] = pop3_policy_fields_num(&fields, "bytes", 0,
		POP3_POLICY_DOWNLOAD_MAX_BYTES, POP3_POLICY_REQUIRED);
	download->params[4] = pop3_policy_fields_num(&fields, "reserve", 0,
		POP3_POLICY_DOWNLOAD_MAX_BYTES, POP3_POLICY_REQUIRED);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	for (i = 0; i < N_ELEMENTS(download->params); i++) {
		download->params[i] = p_strdup(request->pool,
					       download->params[i]);
	}
	session = pop3_policy_sessions_find(
		pop3_policy_client_sessions(request->client),
		download->params[1]);
	if (session != NULL)
		session->download_asked = TRUE;
	request->context = download;
	pop3_policy_request_when_ready(request, pop3_policy_download_ready);
}
