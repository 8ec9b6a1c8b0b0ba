/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "pop3-policy-admin.h"
#include "pop3-policy-client.h"
#include "pop3-policy-leave-out.h"
#include "pop3-policy-order.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"

struct pop3_policy_verb {
	const char *name;
	void (*handle)(struct pop3_policy_request *request);
	/* there is no point in it without a reply */
	bool answers;
	/* its answer depends on what other mail processes have said */
	bool ordered;
	/* on the administrators' socket, and only there */
	bool admin;
	const char *event_name;
	/* what comes of it has to be recorded */
	bool recorded;
};

static const struct pop3_policy_verb verbs[] = {
	{ "LOGIN", pop3_policy_request_login, TRUE, TRUE, FALSE,
	  "pop3_policy_login_finished", TRUE },
	{ "UIDS", pop3_policy_request_uids, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "CARRY", pop3_policy_request_carry, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "CLAIM", pop3_policy_request_claim, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "REPAIR", pop3_policy_request_repair, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "INTENT", pop3_policy_request_intent, TRUE, FALSE, FALSE,
	  "pop3_policy_intent_finished", TRUE },
	{ "OUTCOME", pop3_policy_request_outcome, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "LEAVE", pop3_policy_request_leave, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "DOWNLOAD", pop3_policy_request_download, TRUE, FALSE, FALSE,
	  "pop3_policy_download_finished", FALSE },
	{ "EVENT", pop3_policy_request_event, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "SESSION", pop3_policy_request_session, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "IMAP", pop3_policy_request_imap, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "LIMITS", pop3_policy_request_limits, TRUE, FALSE, FALSE,
	  "pop3_policy_limits_finished", FALSE },
	{ "USAGE", pop3_policy_request_usage, FALSE, FALSE, FALSE, NULL, FALSE },
	{ "EVICT", pop3_policy_request_evict, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "NOTICES", pop3_policy_request_notices, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "NOTICE", pop3_policy_request_notice, TRUE, TRUE, FALSE, NULL, FALSE },
	{ "CALL", pop3_policy_request_call, TRUE, FALSE, TRUE, NULL, FALSE },
};

static const struct pop3_policy_verb *pop3_policy_verb_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* --- life --- */

void pop3_policy_request_ref(struct pop3_policy_request *request)
{
	i_assert(request->refcount > 0);
	request->refcount++;
}

void pop3_policy_request_unref(struct pop3_policy_request **_request)
{
	struct pop3_policy_request *request = *_request;

	*_request = NULL;
	i_assert(request->refcount > 0);
	if (--request->refcount > 0)
		return;
	i_assert(request->ended);
	pop3_policy_wire_message_free(&request->message);
	event_unref(&request->event);
	i_free(request);
}

/* After it, the request may be freed. */
static void pop3_policy_request_end(struct pop3_policy_request *request)
{
	i_assert(!request->ended);
	request->ended = TRUE;
	timeout_remove(&request->to);
	if (request->on_end != NULL)
		request->on_end(request);
	if (request->pool_waiter != NULL)
		pop3_policy_pool_wait_cancel(&request->pool_waiter);
	if (request->writer_waiter != NULL)
		pop3_policy_writer_wait_cancel(&request->writer_waiter);
	if (request->record != NULL) {
		pop3_policy_writer_forget(request->service->writer,
					  &request->record);
	}
	pop3_policy_client_remove(request->client, request);
	request->client = NULL;
	pop3_policy_request_unref(&request);
}

void pop3_policy_request_on_end(struct pop3_policy_request *request,
				pop3_policy_request_callback_t *callback)
{
	request->on_end = callback;
}

void pop3_policy_request_on_fail(struct pop3_policy_request *request,
				 pop3_policy_request_fallback_t *callback)
{
	request->on_fail = callback;
}

void pop3_policy_request_abort(struct pop3_policy_request *request)
{
	pop3_policy_request_end(request);
}

static void pop3_policy_request_timeout(struct pop3_policy_request *request)
{
	const char *text = t_strdup_printf("%s: no answer from the database "
		"within %u ms", request->message->head.name,
		request->timeout_msecs);

	pop3_policy_pool_complain(request->service->pool, text);
	pop3_policy_request_fail_temp(request, text);
}

void pop3_policy_request_start(struct pop3_policy_client *client,
			       struct pop3_policy_wire_message **message)
{
	const struct pop3_policy_verb *verb;
	struct pop3_policy_request *request;

	request = i_new(struct pop3_policy_request, 1);
	request->refcount = 1;
	request->service = pop3_policy_client_service(client);
	request->client = client;
	request->message = *message;
	*message = NULL;
	request->pool = request->message->pool;
	request->event = event_create(pop3_policy_client_event(client));
	event_add_str(request->event, "verb", request->message->head.name);
	pop3_policy_leave_out(&request->service->set, request->message);
	verb = pop3_policy_verb_find(request->message->head.name);
	request->timeout_msecs = verb != NULL && verb->admin ?
		POP3_POLICY_ADMIN_CALL_MSECS :
		request->service->set.query_timeout;
	request->to = timeout_add_short(request->timeout_msecs,
				  pop3_policy_request_timeout, request);
	pop3_policy_client_add(client, request);

	if (verb == NULL) {
		pop3_policy_request_fail(request, "invalid", t_strdup_printf(
			"there is no %s", request->message->head.name));
	} else if (verb->admin != pop3_policy_client_is_admin(client)) {
		pop3_policy_request_fail(request, "denied", t_strdup_printf(
			"%s is not taken on this socket", verb->name));
	} else if (verb->answers && request->message->id == 0) {
		pop3_policy_request_fail(request, "invalid", t_strdup_printf(
			"%s without an ID cannot be answered", verb->name));
	} else if (verb->recorded &&
		   !pop3_policy_writer_is_accepting(request->service->writer)) {
		pop3_policy_request_fail(request, "temp",
			"what happens cannot be recorded on this host now");
	} else if (verb->ordered) {
		pop3_policy_order_add(request->service->order, request,
				      verb->handle);
	} else {
		verb->handle(request);
	}
}

/* --- replies --- */

static void
pop3_policy_request_finished_event(struct pop3_policy_request *request,
				   const char *error)
{
	const struct pop3_policy_verb *verb =
		pop3_policy_verb_find(request->message->head.name);
	const char *user = pop3_policy_wire_get_str(&request->message->head,
						    "user");
	struct event_passthrough *e =
		event_create_passthrough(request->event)->
		add_str("user", user)->
		add_int("messages", request->message->item_count);

	if (verb == NULL || verb->event_name == NULL)
		e->set_name("pop3_policy_request_finished");
	else
		e->set_name(verb->event_name);
	if (error != NULL)
		e->add_str("error", error);
	e_debug(e->event(), "%s of %s: %s", request->message->head.name,
		user == NULL ? "-" : user, error == NULL ? "ok" : error);
}

string_t *pop3_policy_request_reply_begin(struct pop3_policy_request *request)
{
	string_t *reply = t_str_new(1024);

	pop3_policy_wire_begin(reply, "OK", request->message->id);
	return reply;
}

void pop3_policy_request_reply(struct pop3_policy_request *request,
			       const string_t *reply)
{
	if (request->message->id != 0)
		pop3_policy_client_send(request->client, reply);
	pop3_policy_request_finished_event(request, NULL);
	pop3_policy_request_end(request);
}

void pop3_policy_request_ok(struct pop3_policy_request *request)
{
	string_t *reply = pop3_policy_request_reply_begin(request);

	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

void pop3_policy_request_fail(struct pop3_policy_request *request,
			      const char *code, const char *text)
{
	string_t *reply;

	/* a client of another version, or one that lies: nothing is wrong
	   with the request's user. An administrator reads the answer. */
	if ((strcmp(code, "invalid") == 0 || strcmp(code, "denied") == 0) &&
	    !pop3_policy_client_is_admin(request->client))
		e_error(request->event, "Request refused: %s", text);
	if (request->message->id != 0) {
		reply = t_str_new(256);
		pop3_policy_wire_begin(reply, "FAIL", request->message->id);
		pop3_policy_wire_str(reply, "code", code);
		pop3_policy_wire_str(reply, "text", text);
		pop3_policy_wire_end(reply);
		pop3_policy_client_send(request->client, reply);
	}
	pop3_policy_request_finished_event(request, t_strdup_printf("%s: %s",
		code, text));
	pop3_policy_request_end(request);
}

void pop3_policy_request_fail_temp(struct pop3_policy_request *request,
				   const char *text)
{
	if (request->on_fail == NULL || !request->on_fail(request, text))
		pop3_policy_request_fail(request, "temp", text);
}

bool pop3_policy_request_is_invalid(struct pop3_policy_request *request,
				    const struct pop3_policy_fields *fields)
{
	if (fields->error == NULL)
		return FALSE;
	pop3_policy_request_fail(request, "invalid", fields->error);
	return TRUE;
}

/* --- waiting --- */

struct pop3_policy_request_wait {
	struct pop3_policy_request *request;
	pop3_policy_request_callback_t *callback;
};

static void pop3_policy_request_ready(bool ready, void *context)
{
	struct pop3_policy_request_wait *wait = context;
	struct pop3_policy_request *request = wait->request;

	request->pool_waiter = NULL;
	if (ready)
		wait->callback(request);
	else {
		pop3_policy_request_fail_temp(request,
			"the database cannot be reached");
	}
}

void pop3_policy_request_when_ready(struct pop3_policy_request *request,
				    pop3_policy_request_callback_t *callback)
{
	struct pop3_policy_request_wait *wait;
	struct pop3_policy_pool_waiter *waiter;

	wait = p_new(request->pool, struct pop3_policy_request_wait, 1);
	wait->request = request;
	wait->callback = callback;
	/* it may be called, and the request be over, before this returns */
	pop3_policy_request_ref(request);
	waiter = pop3_policy_pool_wait(request->service->pool,
				       pop3_policy_request_ready, wait);
	if (waiter != NULL)
		request->pool_waiter = waiter;
	pop3_policy_request_unref(&request);
}

struct pop3_policy_sent_query {
	struct pop3_policy_request *request;
	pop3_policy_request_result_t *callback;
};

static void pop3_policy_request_result(struct pop3_policy_db_result *result,
				       void *context)
{
	struct pop3_policy_sent_query *sent = context;
	struct pop3_policy_request *request = sent->request;

	if (!request->ended) {
		if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK)
			sent->callback(request, result);
		else {
			const char *text = t_strdup_printf("%s: %s",
				request->message->head.name,
				pop3_policy_db_result_error(result));

			if (pop3_policy_db_result_status(result) !=
			    POP3_POLICY_DB_LOST) {
				pop3_policy_pool_complain(
					request->service->pool, text);
			}
			pop3_policy_request_fail_temp(request, text);
		}
	}
	pop3_policy_request_unref(&request);
}

void pop3_policy_request_query(struct pop3_policy_request *request,
			       const struct pop3_policy_query *queries,
			       unsigned int count)
{
	struct pop3_policy_db *db =
		pop3_policy_pool_reader(request->service->pool);
	struct pop3_policy_sent_query *sent;
	unsigned int i;

	if (db == NULL) {
		pop3_policy_request_fail_temp(request,
			"the database cannot be reached");
		return;
	}
	for (i = 0; i < count; i++) {
		sent = p_new(request->pool, struct pop3_policy_sent_query, 1);
		sent->request = request;
		sent->callback = queries[i].callback;
		pop3_policy_request_ref(request);
		pop3_policy_db_send(db, queries[i].stmt, queries[i].params,
				    pop3_policy_request_result, sent);
	}
	pop3_policy_db_sync(db, NULL, NULL);
}

void pop3_policy_request_write(struct pop3_policy_request *request,
			       struct pop3_policy_record *record,
			       pop3_policy_record_callback_t *callback)
{
	i_assert(request->record == NULL);
	request->record = record;
	pop3_policy_writer_add_awaited(request->service->writer, record,
				       callback, request);
}
