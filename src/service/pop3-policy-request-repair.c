/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* CLAIM and REPAIR: finding out what became of the intent of a session that is
   over. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-state-cache.h"

static void
pop3_policy_claim_written(enum pop3_policy_record_status status,
			  const struct pop3_policy_db_result *result,
			  void *context)
{
	struct pop3_policy_request *request = context;
	unsigned int i, rows;
	string_t *reply;

	request->record = NULL;
	if (status != POP3_POLICY_RECORD_COMMITTED) {
		/* claimed after all, it may be claimed again after a lease */
		pop3_policy_request_fail_temp(request,
			"the intent could not be claimed");
		return;
	}
	rows = pop3_policy_db_result_rows(result);
	if (rows == 0) {
		pop3_policy_request_fail(request, "fenced",
			"the intent cannot be repaired any more");
		return;
	}
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_num(reply, "items", rows);
	pop3_policy_wire_end(reply);
	for (i = 0; i < rows; i++) {
		pop3_policy_wire_item(reply, "message");
		pop3_policy_wire_str(reply, "uid",
			pop3_policy_db_result_get(result, i, 0));
		pop3_policy_wire_str(reply, "guid", pop3_policy_uuid_digits(
			pop3_policy_db_result_get(result, i, 1)));
		pop3_policy_wire_str(reply, "action",
			pop3_policy_db_result_get(result, i, 2));
		pop3_policy_wire_str(reply, "reason",
			pop3_policy_db_result_get(result, i, 3));
		pop3_policy_wire_end(reply);
	}
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_claim_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *user = pop3_policy_fields_user(&fields);
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_CLAIM, user, 0);
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"session", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, user);
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"intent_session", POP3_POLICY_REQUIRED));
	pop3_policy_record_add(record, pop3_policy_fields_num(&fields, "no",
		1, INT32_MAX, POP3_POLICY_REQUIRED));
	pop3_policy_record_add_num(record, request->service->set.intent_lease);
	if (pop3_policy_request_is_invalid(request, &fields)) {
		pop3_policy_record_free(&record);
		return;
	}
	pop3_policy_request_write(request, record, pop3_policy_claim_written);
}

void pop3_policy_request_claim(struct pop3_policy_request *request)
{
	pop3_policy_request_when_ready(request, pop3_policy_claim_ready);
}

static void
pop3_policy_repair_add(string_t *uids, string_t *present,
		       const ARRAY_TYPE(seq_range) *set, bool value)
{
	const struct seq_range *range;
	uint64_t uid;

	array_foreach(set, range) {
		for (uid = range->seq1; uid <= range->seq2; uid++) {
			pop3_policy_array_add_num(uids, (int64_t)uid);
			pop3_policy_array_add_bool(present, value);
		}
	}
}

void pop3_policy_request_repair(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	ARRAY_TYPE(seq_range) released, presumed;
	string_t *uids, *present;
	const char *user, *session, *intent_session, *no;
	struct pop3_policy_record *record;
	uint64_t count;

	user = pop3_policy_fields_user(&fields);
	session = pop3_policy_fields_guid(&fields, "session",
					  POP3_POLICY_REQUIRED);
	intent_session = pop3_policy_fields_guid(&fields, "intent_session",
						 POP3_POLICY_REQUIRED);
	no = pop3_policy_fields_num(&fields, "no", 1, INT32_MAX,
				    POP3_POLICY_REQUIRED);
	pop3_policy_fields_uids(&fields, "released", &released);
	pop3_policy_fields_uids(&fields, "presumed", &presumed);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	/* each of them may have almost 2^32 */
	count = (uint64_t)seq_range_count(&released) +
		seq_range_count(&presumed);
	if (count == 0 || count > POP3_POLICY_MAX_ITEMS) {
		pop3_policy_request_fail(request, "invalid",
			"REPAIR of no messages, or of too many");
		return;
	}

	if (seq_range_array_have_common(&released, &presumed)) {
		pop3_policy_request_fail(request, "invalid",
			"REPAIR of a message that is both there and not");
		return;
	}

	uids = pop3_policy_array_begin();
	present = pop3_policy_array_begin();
	pop3_policy_repair_add(uids, present, &released, TRUE);
	pop3_policy_repair_add(uids, present, &presumed, FALSE);
	record = pop3_policy_record_create(POP3_POLICY_RECORD_REPAIR, user,
					   (unsigned int)count);
	pop3_policy_record_add(record, session);
	pop3_policy_record_add(record, user);
	pop3_policy_record_add(record, intent_session);
	pop3_policy_record_add(record, no);
	pop3_policy_record_add(record, pop3_policy_array_end(uids));
	pop3_policy_record_add(record, pop3_policy_array_end(present));
	if (array_count(&presumed) > 0) {
		pop3_policy_state_cache_gone(request->service->states, user,
					     NULL, NULL, &presumed);
	}
	pop3_policy_writer_add(request->service->writer, record);
	pop3_policy_request_ok(request);
}
