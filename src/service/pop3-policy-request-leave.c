/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* LEAVE: which retrieved messages exceed leave_max_messages or
   leave_max_bytes. What this host knows of the user is made durable first, so
   that what the session has removed already does not count. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"

struct pop3_policy_leave {
	const char *user;
	/* the parameters of pop3.leave_excess() */
	const char *params[8];
};

static void
pop3_policy_leave_answered(struct pop3_policy_request *request,
			   const struct pop3_policy_db_result *result)
{
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	string_t *reply = pop3_policy_request_reply_begin(request);

	if (rows > 0)
		pop3_policy_wire_num(reply, "items", rows);
	pop3_policy_wire_end(reply);
	for (i = 0; i < rows; i++) {
		pop3_policy_wire_item(reply, "message");
		pop3_policy_wire_str(reply, "uid",
			pop3_policy_db_result_get(result, i, 0));
		pop3_policy_wire_str(reply, "guid", pop3_policy_uuid_digits(
			pop3_policy_db_result_get(result, i, 1)));
		pop3_policy_wire_end(reply);
	}
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_leave_ask(struct pop3_policy_request *request)
{
	struct pop3_policy_leave *leave = request->context;
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_LEAVE_EXCESS, leave->params,
		pop3_policy_leave_answered
	};

	pop3_policy_request_query(request, &query, 1);
}

static void pop3_policy_leave_written(void *context)
{
	struct pop3_policy_request *request = context;

	request->writer_waiter = NULL;
	pop3_policy_leave_ask(request);
}

static void pop3_policy_leave_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_leave *leave = request->context;

	request->writer_waiter = pop3_policy_writer_wait_user(
		request->service->writer, leave->user,
		pop3_policy_leave_written, request);
	if (request->writer_waiter == NULL)
		pop3_policy_leave_ask(request);
}

/* The arrays of the messages' UIDs and sizes. */
static void
pop3_policy_leave_messages(struct pop3_policy_request *request,
			   struct pop3_policy_fields *fields,
			   const char **uids_r, const char **sizes_r)
{
	string_t *uids = pop3_policy_array_begin();
	string_t *sizes = pop3_policy_array_begin();
	ARRAY_TYPE(seq_range) seen;
	int64_t uid;
	unsigned int i;

	i_array_init(&seen, 32);
	for (i = 0; i < request->message->item_count; i++) {
		pop3_policy_fields_line(fields, &request->message->items[i]);
		uid = pop3_policy_fields_int64(fields, "uid", 1, UINT32_MAX,
					       POP3_POLICY_REQUIRED);
		if (seq_range_array_add(&seen, (uint32_t)uid)) {
			pop3_policy_fields_wrong(fields, "uid",
						 "is there twice");
		}
		pop3_policy_array_add_num(uids, uid);
		pop3_policy_array_add_num(sizes, pop3_policy_fields_int64(
			fields, "size", 0, 1LL << 62, POP3_POLICY_REQUIRED));
	}
	array_free(&seen);
	*uids_r = pop3_policy_array_end(uids);
	*sizes_r = pop3_policy_array_end(sizes);
}

void pop3_policy_request_leave(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_leave *leave;
	ARRAY_TYPE(seq_range) except;
	unsigned int i;

	leave = p_new(request->pool, struct pop3_policy_leave, 1);
	leave->params[0] = pop3_policy_fields_user(&fields);
	(void)pop3_policy_fields_guid(&fields, "session",
				      POP3_POLICY_REQUIRED);
	leave->params[1] = pop3_policy_fields_num(&fields, "maildrop", 1,
						  INT64_MAX,
						  POP3_POLICY_OPTIONAL);
	leave->params[2] = pop3_policy_fields_num(&fields, "messages", -1,
						  INT64_MAX,
						  POP3_POLICY_REQUIRED);
	leave->params[3] = pop3_policy_fields_num(&fields, "bytes", -1,
						  INT64_MAX,
						  POP3_POLICY_REQUIRED);
	pop3_policy_fields_uids(&fields, "except", &except);
	leave->params[4] = pop3_policy_multirange_from_uids(&except);
	pop3_policy_leave_messages(request, &fields, &leave->params[5],
				   &leave->params[6]);
	leave->params[7] = dec2str(POP3_POLICY_MAX_LEAVE);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	for (i = 0; i < N_ELEMENTS(leave->params); i++)
		leave->params[i] = p_strdup(request->pool, leave->params[i]);
	leave->user = leave->params[0];
	request->context = leave;
	pop3_policy_request_when_ready(request, pop3_policy_leave_ready);
}
