/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* EVENT and IMAP: lines for the audit that have no session's end, and the use
   of a mailbox by IMAP. */

#include "lib.h"
#include "array.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-state-cache.h"

/* UIDs in one record, and in all. */
#define POP3_POLICY_EVENT_CHUNK 10000
#define POP3_POLICY_EVENT_MAX_UIDS 1000000

static void
pop3_policy_event_write(struct pop3_policy_request *request, const char *event,
			const ARRAY_TYPE(seq_range) *uids)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *user = pop3_policy_fields_user(&fields);
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_EVENT, user,
					   I_MAX(seq_range_count(uids), 1));
	pop3_policy_record_add(record, event);
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"reason", POP3_POLICY_MAX_NAME));
	pop3_policy_record_add(record, pop3_policy_fields_guid(&fields,
		"session", POP3_POLICY_OPTIONAL));
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
		"guid", POP3_POLICY_OPTIONAL));
	pop3_policy_record_add(record, pop3_policy_fields_uid(&fields,
		"uidvalidity", POP3_POLICY_OPTIONAL));
	pop3_policy_record_add(record, pop3_policy_fields_uid(&fields,
		"uidnext", POP3_POLICY_OPTIONAL));
	pop3_policy_record_add(record, pop3_policy_array_from_uids(uids));
	pop3_policy_record_add(record, pop3_policy_fields_text(&fields,
		"text", POP3_POLICY_MAX_TEXT));
	i_assert(fields.error == NULL);
	pop3_policy_writer_add(request->service->writer, record);
}

/* In several records, if it is about many messages. */
static void
pop3_policy_event_write_chunks(struct pop3_policy_request *request,
			       const char *event,
			       const ARRAY_TYPE(seq_range) *uids)
{
	const struct seq_range *range;
	ARRAY_TYPE(seq_range) chunk;
	uint64_t first, last;
	unsigned int room;

	t_array_init(&chunk, 64);
	room = POP3_POLICY_EVENT_CHUNK;
	array_foreach(uids, range) {
		for (first = range->seq1; first <= range->seq2;
		     first = last + 1) {
			last = I_MIN((uint64_t)range->seq2, first + room - 1);
			seq_range_array_add_range(&chunk, (uint32_t)first,
						  (uint32_t)last);
			room -= (unsigned int)(last - first + 1);
			if (room > 0)
				continue;
			pop3_policy_event_write(request, event, &chunk);
			array_clear(&chunk);
			room = POP3_POLICY_EVENT_CHUNK;
		}
	}
	if (array_count(&chunk) > 0 || array_count(uids) == 0)
		pop3_policy_event_write(request, event, &chunk);
}

static void
pop3_policy_event_change(struct pop3_policy_request *request,
			 const char *event, const ARRAY_TYPE(seq_range) *uids)
{
	struct pop3_policy_state_cache *states = request->service->states;
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *user = pop3_policy_fields_user(&fields);
	const char *guid, *uidvalidity;

	guid = pop3_policy_fields_guid(&fields, "guid", POP3_POLICY_OPTIONAL);
	uidvalidity = pop3_policy_fields_uid(&fields, "uidvalidity",
					     POP3_POLICY_OPTIONAL);
	if (strcmp(event, "rollback") == 0)
		pop3_policy_state_cache_forget(states, user);
	if (guid == NULL || uidvalidity == NULL)
		return;
	if (strcmp(event, "gone") == 0 || strcmp(event, "mismatch") == 0) {
		pop3_policy_state_cache_gone(states, user, guid, uidvalidity,
					     uids);
	} else if (strcmp(event, "kept") == 0) {
		pop3_policy_state_cache_kept(states, user, guid, uidvalidity,
					     uids);
	}
}

void pop3_policy_request_event(struct pop3_policy_request *request)
{
	static const char *const events[] = {
		"gone", "refused", "rollback", "unconfirmed", "mismatch", "kept",
		"would-refuse", "mass-delete", "would-mass-delete", NULL
	};
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	ARRAY_TYPE(seq_range) uids;
	const char *event;

	(void)pop3_policy_fields_user(&fields);
	event = pop3_policy_fields_word(&fields, "event", events,
					POP3_POLICY_REQUIRED);
	(void)pop3_policy_fields_guid(&fields, "session",
				      POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_guid(&fields, "guid", POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_uid(&fields, "uidvalidity",
				     POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_uid(&fields, "uidnext",
		null_strcmp(event, "rollback") == 0 ?
		POP3_POLICY_REQUIRED : POP3_POLICY_OPTIONAL);
	pop3_policy_fields_uids(&fields, "uids", &uids);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	if (seq_range_count(&uids) > POP3_POLICY_EVENT_MAX_UIDS) {
		pop3_policy_request_fail(request, "invalid",
			"EVENT about more than a million messages");
		return;
	}
	pop3_policy_event_change(request, event, &uids);
	pop3_policy_event_write_chunks(request, event, &uids);
	pop3_policy_request_ok(request);
}

void pop3_policy_request_imap(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *user = pop3_policy_fields_user(&fields);

	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	pop3_policy_imap_use_note(request->service->imap_use, user);
	pop3_policy_request_ok(request);
}
