/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "pop3-policy-writer-private.h"

/* How long a user's records are left alone after his rows were found locked.
   The next attempt holds up all others for as long as the lock timeout. */
#define POP3_POLICY_DEFER_MSECS 1000

static void pop3_policy_writer_defer_timeout(struct pop3_policy_writer *writer)
{
	pop3_policy_writer_undefer(writer);
	pop3_policy_writer_flush(writer);
}

void pop3_policy_writer_defer_user(struct pop3_policy_writer *writer,
				   struct pop3_policy_writer_user *user)
{
	struct pop3_policy_record *record, *next;

	user->deferred = TRUE;
	for (record = writer->queue.head; record != NULL; record = next) {
		next = record->next;
		if (record->user != user)
			continue;
		pop3_policy_record_list_remove(&writer->queue, record);
		pop3_policy_record_list_append(&writer->deferred, record);
		record->deferred = TRUE;
	}
	if (writer->to_deferred == NULL) {
		writer->to_deferred = timeout_add_short(POP3_POLICY_DEFER_MSECS,
			pop3_policy_writer_defer_timeout, writer);
	}
}

void pop3_policy_writer_undefer(struct pop3_policy_writer *writer)
{
	struct pop3_policy_record *record;

	timeout_remove(&writer->to_deferred);
	while ((record = writer->deferred.head) != NULL) {
		pop3_policy_record_list_remove(&writer->deferred, record);
		pop3_policy_record_list_append(&writer->queue, record);
		record->deferred = FALSE;
		/* the first one of each user shows whether the lock is gone */
		if (record->user != NULL && record->user->deferred) {
			record->user->deferred = FALSE;
			record->single = TRUE;
		}
	}
}
