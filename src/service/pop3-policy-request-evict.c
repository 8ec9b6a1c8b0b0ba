/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* EVICT: what may go to make room for a delivery. What this host knows of the
   user is made durable first, so that what has gone already is not named. */

#include "lib.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"

struct pop3_policy_evict {
	/* the parameters of pop3.evictable(); the first is the user */
	const char *params[6];
};

/* Columns of pop3.evictable(). */
enum pop3_policy_evict_column {
	POP3_POLICY_EVICT_UID = 0,
	POP3_POLICY_EVICT_GUID,
	POP3_POLICY_EVICT_SIZE,
	POP3_POLICY_EVICT_MORE
};

static void
pop3_policy_evict_answered(struct pop3_policy_request *request,
			   const struct pop3_policy_db_result *result)
{
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	string_t *reply = pop3_policy_request_reply_begin(request);

	/* the same in all rows */
	if (rows > 0) {
		pop3_policy_wire_flag(reply, "more", null_strcmp(
			pop3_policy_db_result_get(result, 0,
				POP3_POLICY_EVICT_MORE), "t") == 0);
		pop3_policy_wire_num(reply, "items", rows);
	}
	pop3_policy_wire_end(reply);
	for (i = 0; i < rows; i++) {
		pop3_policy_wire_item(reply, "message");
		pop3_policy_wire_str(reply, "uid",
			pop3_policy_db_result_get(result, i,
						  POP3_POLICY_EVICT_UID));
		pop3_policy_wire_str(reply, "guid", pop3_policy_uuid_digits(
			pop3_policy_db_result_get(result, i,
						  POP3_POLICY_EVICT_GUID)));
		pop3_policy_wire_str(reply, "size",
			pop3_policy_db_result_get(result, i,
						  POP3_POLICY_EVICT_SIZE));
		pop3_policy_wire_end(reply);
	}
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_evict_ask(struct pop3_policy_request *request)
{
	const struct pop3_policy_evict *evict = request->context;
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_EVICTABLE, evict->params,
		pop3_policy_evict_answered
	};

	pop3_policy_request_query(request, &query, 1);
}

static void pop3_policy_evict_written(void *context)
{
	struct pop3_policy_request *request = context;

	request->writer_waiter = NULL;
	pop3_policy_evict_ask(request);
}

static void pop3_policy_evict_ready(struct pop3_policy_request *request)
{
	const struct pop3_policy_evict *evict = request->context;

	request->writer_waiter = pop3_policy_writer_wait_user(
		request->service->writer, evict->params[0],
		pop3_policy_evict_written, request);
	if (request->writer_waiter == NULL)
		pop3_policy_evict_ask(request);
}

void pop3_policy_request_evict(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_evict *evict;
	unsigned int i;

	evict = p_new(request->pool, struct pop3_policy_evict, 1);
	evict->params[0] = pop3_policy_fields_user(&fields);
	(void)pop3_policy_fields_guid(&fields, "session",
				      POP3_POLICY_REQUIRED);
	evict->params[1] = pop3_policy_fields_guid(&fields, "guid",
						   POP3_POLICY_REQUIRED);
	evict->params[2] = pop3_policy_fields_uid(&fields, "uidvalidity",
						  POP3_POLICY_REQUIRED);
	evict->params[3] = pop3_policy_fields_size(&fields, "bytes",
						   POP3_POLICY_REQUIRED);
	evict->params[4] = pop3_policy_fields_size(&fields, "messages",
						   POP3_POLICY_REQUIRED);
	evict->params[5] = dec2str(POP3_POLICY_MAX_LEAVE);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	for (i = 0; i < N_ELEMENTS(evict->params); i++)
		evict->params[i] = p_strdup(request->pool, evict->params[i]);
	request->context = evict;
	pop3_policy_request_when_ready(request, pop3_policy_evict_ready);
}
