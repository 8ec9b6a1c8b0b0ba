/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* INTENT and OUTCOME: what a session is about to remove or hide, and what
   became of it. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-client.h"
#include "pop3-policy-clock-check.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-request-intent.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"
#include "pop3-policy-state-cache.h"

struct pop3_policy_intent {
	const char *user, *session, *no_text;
	uint32_t no;
	/* not queued yet; NULL once it is */
	struct pop3_policy_record *record;
};

static void
pop3_policy_intent_outcome(struct pop3_policy_service *service,
			   const char *user, const char *session,
			   const char *no, const char *result)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_OUTCOME, user, 1);
	pop3_policy_record_add(record, session);
	pop3_policy_record_add(record, no);
	pop3_policy_record_add(record, result);
	pop3_policy_writer_add(service->writer, record);
}

static void pop3_policy_intent_over(struct pop3_policy_request *request)
{
	struct pop3_policy_intent *intent = request->context;

	pop3_policy_sessions_intent_over(
		pop3_policy_client_sessions(request->client), intent->session,
		intent->no);
}

/* --- the answer --- */

static void pop3_policy_intent_ok(struct pop3_policy_request *request)
{
	string_t *reply = pop3_policy_request_reply_begin(request);

	pop3_policy_wire_num(reply, "lease",
			     request->service->set.intent_lease);
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_intent_stale(struct pop3_policy_request *request)
{
	struct pop3_policy_intent *intent = request->context;

	/* its rows are written: say that nothing came of them */
	pop3_policy_intent_outcome(request->service, intent->user,
				   intent->session, intent->no_text, "failed");
	pop3_policy_intent_over(request);
	pop3_policy_request_fail(request, "stale",
		"the policy changed since the login");
}

static void pop3_policy_intent_fenced(struct pop3_policy_request *request)
{
	pop3_policy_intent_over(request);
	pop3_policy_request_fail(request, "fenced",
		"the intent was given up meanwhile");
}

static void
pop3_policy_intent_result(struct pop3_policy_request *request,
			  const char *result)
{
	/* of pop3.record_intent() or pop3.intent_state() */
	if (null_strcmp(result, "ok") == 0 || null_strcmp(result, "open") == 0)
		pop3_policy_intent_ok(request);
	else if (null_strcmp(result, "stale") == 0)
		pop3_policy_intent_stale(request);
	else
		pop3_policy_intent_fenced(request);
}

/* --- the record --- */

static void pop3_policy_intent_ask_state(struct pop3_policy_request *request,
	pop3_policy_record_callback_t *callback);

static void
pop3_policy_intent_state_after(enum pop3_policy_record_status status,
			       const struct pop3_policy_db_result *result,
			       void *context)
{
	struct pop3_policy_request *request = context;
	const char *state;

	request->record = NULL;
	switch (status) {
	case POP3_POLICY_RECORD_COMMITTED:
		state = pop3_policy_db_result_get(result, 0, 0);
		if (state != NULL) {
			pop3_policy_intent_result(request, state);
			break;
		}
		/* fall through - it was durable a moment ago */
	case POP3_POLICY_RECORD_FAILED:
		pop3_policy_request_fail_temp(request,
			"what became of the intent is not known");
		break;
	case POP3_POLICY_RECORD_COMMITTED_BLIND:
		pop3_policy_intent_ask_state(request,
			pop3_policy_intent_state_after);
		break;
	}
}

static void
pop3_policy_intent_recorded(enum pop3_policy_record_status status,
			    const struct pop3_policy_db_result *result,
			    void *context)
{
	struct pop3_policy_request *request = context;

	request->record = NULL;
	switch (status) {
	case POP3_POLICY_RECORD_COMMITTED:
		pop3_policy_intent_result(request,
			pop3_policy_db_result_get(result, 0, 0));
		break;
	case POP3_POLICY_RECORD_COMMITTED_BLIND:
		/* it is there; whether it is stale went with the connection */
		pop3_policy_intent_ask_state(request,
			pop3_policy_intent_state_after);
		break;
	case POP3_POLICY_RECORD_FAILED:
		pop3_policy_intent_over(request);
		pop3_policy_request_fail_temp(request,
			"the database refused the intent");
		break;
	}
}

static void pop3_policy_intent_write(struct pop3_policy_request *request)
{
	struct pop3_policy_intent *intent = request->context;
	struct pop3_policy_record *record = intent->record;
	struct pop3_policy_session *session;

	session = pop3_policy_sessions_get(
		pop3_policy_client_sessions(request->client), intent->session,
		intent->user);
	pop3_policy_session_intent_sent(session, intent->no);
	pop3_policy_session_changed(session, pop3_policy_state_change_create(
		request->pool, FALSE, request->message));
	intent->record = NULL;
	pop3_policy_request_write(request, record,
				  pop3_policy_intent_recorded);
}

/* --- sent before? --- */

static void
pop3_policy_intent_state_before(enum pop3_policy_record_status status,
				const struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_request *request = context;
	const char *state;

	request->record = NULL;
	if (status == POP3_POLICY_RECORD_COMMITTED_BLIND) {
		pop3_policy_intent_ask_state(request,
			pop3_policy_intent_state_before);
		return;
	}
	if (status == POP3_POLICY_RECORD_COMMITTED) {
		state = pop3_policy_db_result_get(result, 0, 0);
		if (state == NULL) {
			pop3_policy_intent_write(request);
			return;
		}
		pop3_policy_intent_result(request, state);
		return;
	}
	pop3_policy_request_fail_temp(request,
		"the state of the intent could not be read");
}

static void pop3_policy_intent_ask_state(struct pop3_policy_request *request,
	pop3_policy_record_callback_t *callback)
{
	struct pop3_policy_intent *intent = request->context;
	struct pop3_policy_record *record;

	/* on the writer, in turn: after everything sent before */
	record = pop3_policy_record_create(POP3_POLICY_RECORD_INTENT_STATE,
					   intent->user, 0);
	pop3_policy_record_add(record, intent->session);
	pop3_policy_record_add(record, intent->no_text);
	pop3_policy_request_write(request, record, callback);
}

/* Something is to be removed because its time has come. */
static bool pop3_policy_intent_is_timed(struct pop3_policy_request *request)
{
	const struct pop3_policy_wire_line *item;
	const char *action, *reason;
	unsigned int i;

	for (i = 0; i < request->message->item_count; i++) {
		item = &request->message->items[i];
		action = pop3_policy_wire_get_str(item, "action");
		reason = pop3_policy_wire_get_str(item, "reason");
		if (str_begins_with(reason, "expired-") ||
		    (strcmp(reason, "mass-delete") == 0 &&
		     strcmp(action, "hide") != 0))
			return TRUE;
	}
	return FALSE;
}

static void pop3_policy_intent_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_intent *intent = request->context;

	if (pop3_policy_intent_is_timed(request) &&
	    !pop3_policy_clock_is_right(request->service->clock)) {
		pop3_policy_record_free(&intent->record);
		pop3_policy_request_fail(request, "stale",
			"the clocks cannot be trusted");
		return;
	}
	if (!pop3_policy_wire_get_flag(&request->message->head, "repeat")) {
		pop3_policy_intent_write(request);
		return;
	}
	pop3_policy_intent_ask_state(request, pop3_policy_intent_state_before);
}

/* --- the request --- */

/* The request ended before its record was queued. */
static void pop3_policy_intent_unused(struct pop3_policy_request *request)
{
	struct pop3_policy_intent *intent = request->context;

	if (intent->record != NULL)
		pop3_policy_record_free(&intent->record);
}

/* Add the eight arrays of the messages. */
static void
pop3_policy_intent_add_messages(struct pop3_policy_request *request,
				struct pop3_policy_fields *fields,
				struct pop3_policy_record *record)
{
	string_t *uids = pop3_policy_array_begin();
	string_t *guids = pop3_policy_array_begin();
	string_t *sizes = pop3_policy_array_begin();
	string_t *actions = pop3_policy_array_begin();
	string_t *reasons = pop3_policy_array_begin();
	string_t *uidls = pop3_policy_array_begin();
	string_t *message_ids = pop3_policy_array_begin();
	string_t *mailboxes = pop3_policy_array_begin();
	int64_t uid, last_uid = 0;
	unsigned int i;

	/* no data stack frame for each: the strings grow */
	for (i = 0; i < request->message->item_count; i++) {
		pop3_policy_fields_line(fields, &request->message->items[i]);
		uid = pop3_policy_fields_int64(fields, "uid", 1, UINT32_MAX,
					       POP3_POLICY_REQUIRED);
		/* the same order everywhere, and none of them twice */
		if (uid <= last_uid) {
			pop3_policy_fields_wrong(fields, "uid",
						 "is not above the one before");
		}
		last_uid = uid;
		pop3_policy_array_add_num(uids, uid);
		pop3_policy_array_add_text(guids, pop3_policy_fields_guid(
			fields, "guid", POP3_POLICY_REQUIRED));
		pop3_policy_array_add_num(sizes, pop3_policy_fields_int64(
			fields, "size", 0, 1LL << 62, POP3_POLICY_REQUIRED));
		pop3_policy_array_add_text(actions,
			pop3_policy_fields_action(fields));
		pop3_policy_array_add_text(reasons,
			pop3_policy_fields_reason(fields));
		pop3_policy_array_add_text(uidls, pop3_policy_fields_text(
			fields, "uidl", POP3_POLICY_MAX_UIDL));
		pop3_policy_array_add_text(message_ids,
			pop3_policy_fields_text(fields, "message_id",
						POP3_POLICY_MAX_MESSAGE_ID));
		pop3_policy_array_add_text(mailboxes, pop3_policy_fields_text(
			fields, "mailbox", POP3_POLICY_MAX_NAME));
	}
	pop3_policy_record_add(record, pop3_policy_array_end(uids));
	pop3_policy_record_add(record, pop3_policy_array_end(guids));
	pop3_policy_record_add(record, pop3_policy_array_end(sizes));
	pop3_policy_record_add(record, pop3_policy_array_end(actions));
	pop3_policy_record_add(record, pop3_policy_array_end(reasons));
	pop3_policy_record_add(record, pop3_policy_array_end(uidls));
	pop3_policy_record_add(record, pop3_policy_array_end(message_ids));
	pop3_policy_record_add(record, pop3_policy_array_end(mailboxes));
}

struct pop3_policy_record *
pop3_policy_intent_record(struct pop3_policy_request *request,
			  enum pop3_policy_record_kind kind,
			  const char **error_r)
{
	const struct pop3_policy_wire_line *head = &request->message->head;
	struct pop3_policy_fields fields = { head, NULL };
	struct pop3_policy_record *record;
	const char *user = pop3_policy_fields_user(&fields);

	record = pop3_policy_record_create(kind, user,
					   request->message->item_count);
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"session", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_num(&fields, "no", 1,
		INT32_MAX, POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"dsession", POP3_POLICY_MAX_NAME));
	pop3_policy_record_add(record, user);
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"auth_user", POP3_POLICY_MAX_NAME));
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"rip", POP3_POLICY_MAX_NAME));
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"device", POP3_POLICY_MAX_NAME));
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"guid", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_uid(&fields,
		"uidvalidity", POP3_POLICY_REQUIRED));
	if (kind == POP3_POLICY_RECORD_INTENT) {
		/* a version that is none is stale */
		pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
			"version", POP3_POLICY_MAX_NAME));
		pop3_policy_record_add_num(record,
			request->service->set.intent_lease);
	}
	pop3_policy_intent_add_messages(request, &fields, record);
	pop3_policy_fields_line(&fields, head);
	if (kind == POP3_POLICY_RECORD_INTENT) {
		pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
			"for", POP3_POLICY_MAX_MESSAGE_ID));
	}
	*error_r = fields.error;
	if (fields.error != NULL)
		pop3_policy_record_free(&record);
	return record;
}

/* The database cannot be asked, or not in time. What was sent there may be
   durable, and is not taken back. */
static bool pop3_policy_intent_fallback(struct pop3_policy_request *request,
					const char *error)
{
	struct pop3_policy_intent *intent = request->context;
	struct pop3_policy_service *service = request->service;

	if (pop3_policy_wire_get_flag(&request->message->head, "repeat"))
		return FALSE;
	if (intent->record != NULL) {
		if (pop3_policy_pool_is_ready(service->pool))
			return FALSE;
		pop3_policy_record_free(&intent->record);
	} else {
		/* it waits behind others */
		if (request->record == NULL ||
		    !pop3_policy_writer_can_forget(service->writer,
						   request->record))
			return FALSE;
		pop3_policy_writer_forget(service->writer, &request->record);
		pop3_policy_intent_over(request);
	}
	pop3_policy_request_on_fail(request, NULL);
	pop3_policy_intent_postpone(request, intent->user, intent->session,
				    error);
	return TRUE;
}

void pop3_policy_request_intent(struct pop3_policy_request *request)
{
	static const char *const postpone_words[] = { "may", "must", NULL };
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_intent *intent;
	const char *postpone, *error;

	if (request->message->item_count == 0) {
		pop3_policy_request_fail(request, "invalid",
					 "INTENT without messages");
		return;
	}
	intent = p_new(request->pool, struct pop3_policy_intent, 1);
	intent->user = p_strdup(request->pool,
				pop3_policy_fields_user(&fields));
	intent->session = p_strdup(request->pool, pop3_policy_fields_guid(
		&fields, "session", POP3_POLICY_REQUIRED));
	intent->no = (uint32_t)pop3_policy_fields_int64(&fields, "no", 1,
		INT32_MAX, POP3_POLICY_REQUIRED);
	intent->no_text = p_strdup(request->pool, dec2str(intent->no));
	postpone = pop3_policy_fields_word(&fields, "postpone", postpone_words,
					   POP3_POLICY_OPTIONAL);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	intent->record = pop3_policy_intent_record(request,
		POP3_POLICY_RECORD_INTENT, &error);
	if (intent->record == NULL) {
		pop3_policy_request_fail(request, "invalid", error);
		return;
	}
	request->context = intent;
	pop3_policy_request_on_end(request, pop3_policy_intent_unused);
	if (postpone != NULL &&
	    pop3_policy_state_cache_is_used(request->service->states)) {
		if (strcmp(postpone, "must") == 0) {
			pop3_policy_intent_postpone(request, intent->user,
				intent->session, "the session is offline");
			return;
		}
		pop3_policy_request_on_fail(request,
					    pop3_policy_intent_fallback);
		if (pop3_policy_pool_is_away(request->service->pool) &&
		    pop3_policy_intent_fallback(request,
					"the database cannot be reached"))
			return;
	}
	pop3_policy_request_when_ready(request, pop3_policy_intent_ready);
}

/* Later sessions are to see it while the database is away. */
static void
pop3_policy_outcome_change(struct pop3_policy_request *request,
			   const char *user,
			   const struct pop3_policy_state_change *change)
{
	struct pop3_policy_state_cache *states = request->service->states;

	if (change != NULL)
		pop3_policy_state_cache_change(states, user, change);
	else
		pop3_policy_state_cache_forget(states, user);
}

void pop3_policy_request_outcome(struct pop3_policy_request *request)
{
	static const char *const results[] = {
		"committed", "failed", "unknown", NULL
	};
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_sessions *sessions =
		pop3_policy_client_sessions(request->client);
	const struct pop3_policy_state_change *change;
	struct pop3_policy_session *session;
	const char *user, *session_id, *no, *result;
	bool postponed;
	uint32_t no_num;

	user = pop3_policy_fields_user(&fields);
	session_id = pop3_policy_fields_guid(&fields, "session",
					     POP3_POLICY_REQUIRED);
	no = pop3_policy_fields_num(&fields, "no", 1, INT32_MAX,
				    POP3_POLICY_REQUIRED);
	result = pop3_policy_fields_word(&fields, "result", results,
					 POP3_POLICY_REQUIRED);
	postponed = pop3_policy_wire_get_flag(&request->message->head,
					      "postponed");
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	no_num = (uint32_t)pop3_policy_fields_int64(&fields, "no", 1,
		INT32_MAX, POP3_POLICY_REQUIRED);
	session = pop3_policy_sessions_find(sessions, session_id);
	change = session == NULL ? NULL :
		pop3_policy_session_change(session, no_num);
	/* a session that did not get the answer does not know */
	if (change != NULL && change->postponed)
		postponed = TRUE;
	if (strcmp(result, "failed") == 0) {
		/* what the database was not told yet, nobody has seen */
		if (!pop3_policy_writer_cancel_postponed(
				request->service->writer, user, session_id, no)) {
			pop3_policy_intent_outcome(request->service, user,
						   session_id, no, result);
		}
	} else if (postponed) {
		pop3_policy_outcome_change(request, user, change);
	} else if (strcmp(result, "unknown") == 0) {
		/* may be repaired from now on, by the next session */
		pop3_policy_session_abandon(request->service, user,
					    session_id);
	} else {
		pop3_policy_outcome_change(request, user, change);
		pop3_policy_intent_outcome(request->service, user, session_id,
					   no, result);
	}
	pop3_policy_sessions_intent_over(sessions, session_id, no_num);
	pop3_policy_request_ok(request);
}
