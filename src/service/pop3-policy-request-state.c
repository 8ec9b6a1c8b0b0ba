/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* UIDS and CARRY: which messages of a maildrop have state, and moving that
   state to another UIDVALIDITY. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-state-cache.h"

/* --- UIDS --- */

static void pop3_policy_uids_tracked(struct pop3_policy_request *request,
				     const struct pop3_policy_db_result *result)
{
	bool items = pop3_policy_wire_get_flag(&request->message->head,
					       "guids");
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	ARRAY_TYPE(seq_range) uids;
	const char *uid, *hidden;
	string_t *reply, *set;
	uint32_t num;

	t_array_init(&uids, 128);
	for (i = 0; i < rows; i++) {
		uid = pop3_policy_db_result_get(result, i, 0);
		if (uid != NULL && str_to_uint32(uid, &num) == 0)
			seq_range_array_add(&uids, num);
	}
	set = t_str_new(256);
	pop3_policy_uidset_append(set, &uids);
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_str(reply, "uids", str_c(set));
	if (items)
		pop3_policy_wire_num(reply, "items", rows);
	pop3_policy_wire_end(reply);
	if (str_len(reply) > POP3_POLICY_MAX_LINE ||
	    (items && rows > POP3_POLICY_MAX_ITEMS)) {
		pop3_policy_request_fail_temp(request,
			"the maildrop has too many messages with state for "
			"one answer");
		return;
	}
	for (i = 0; i < rows && items; i++) {
		hidden = pop3_policy_db_result_get(result, i, 2);
		pop3_policy_wire_item(reply, "message");
		pop3_policy_wire_str(reply, "uid",
			pop3_policy_db_result_get(result, i, 0));
		pop3_policy_wire_str(reply, "guid", pop3_policy_uuid_digits(
			pop3_policy_db_result_get(result, i, 1)));
		pop3_policy_wire_flag(reply, "hidden", hidden != NULL &&
				      strcmp(hidden, "t") == 0);
		pop3_policy_wire_end(reply);
	}
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_uids_ready(struct pop3_policy_request *request)
{
	const char *params[] = { request->context };
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_TRACKED, params, pop3_policy_uids_tracked
	};

	pop3_policy_request_query(request, &query, 1);
}

void pop3_policy_request_uids(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *maildrop;

	maildrop = pop3_policy_fields_num(&fields, "maildrop", 1, INT64_MAX,
					  POP3_POLICY_REQUIRED);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	request->context = p_strdup(request->pool, maildrop);
	pop3_policy_request_when_ready(request, pop3_policy_uids_ready);
}

/* --- CARRY --- */

static void
pop3_policy_carry_written(enum pop3_policy_record_status status,
			  const struct pop3_policy_db_result *result,
			  void *context)
{
	struct pop3_policy_request *request = context;
	string_t *reply;

	request->record = NULL;
	if (status != POP3_POLICY_RECORD_COMMITTED) {
		/* if it is durable after all, the next login sees it */
		pop3_policy_request_fail_temp(request,
			"the state could not be carried over");
		return;
	}
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_str(reply, "maildrop",
			     pop3_policy_db_result_get(result, 0, 0));
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_carry_ready(struct pop3_policy_request *request)
{
	const struct pop3_policy_wire_message *message = request->message;
	struct pop3_policy_fields fields = { &message->head, NULL };
	string_t *old_uids = pop3_policy_array_begin();
	string_t *new_uids = pop3_policy_array_begin();
	struct pop3_policy_record *record;
	const char *user = pop3_policy_fields_user(&fields);
	unsigned int i;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_CARRY, user, 1);
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"session", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, user);
	pop3_policy_record_add(record, pop3_policy_fields_num(&fields,
		"maildrop", 1, INT64_MAX, POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"guid", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_uid(&fields,
		"uidvalidity", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_uid(&fields,
		"uidnext", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_num(&fields,
		"messages", 0, UINT32_MAX, POP3_POLICY_REQUIRED));
	for (i = 0; i < message->item_count; i++) {
		pop3_policy_fields_line(&fields, &message->items[i]);
		pop3_policy_array_add_num(old_uids, pop3_policy_fields_int64(
			&fields, "old", 1, UINT32_MAX, POP3_POLICY_REQUIRED));
		pop3_policy_array_add_num(new_uids, pop3_policy_fields_int64(
			&fields, "new", 1, UINT32_MAX, POP3_POLICY_REQUIRED));
	}
	pop3_policy_record_add(record, pop3_policy_array_end(old_uids));
	pop3_policy_record_add(record, pop3_policy_array_end(new_uids));
	if (pop3_policy_request_is_invalid(request, &fields)) {
		pop3_policy_record_free(&record);
		return;
	}
	pop3_policy_state_cache_forget(request->service->states, user);
	pop3_policy_request_write(request, record, pop3_policy_carry_written);
}

void pop3_policy_request_carry(struct pop3_policy_request *request)
{
	pop3_policy_request_when_ready(request, pop3_policy_carry_ready);
}
