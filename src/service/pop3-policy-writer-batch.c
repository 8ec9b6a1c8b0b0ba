/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-checkpoint.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-writer-private.h"

/* Small enough that a transaction does not hold the chain for long, and that
   one of these is quickly sent again. */
#define POP3_POLICY_BATCH_MAX_RECORDS 256
#define POP3_POLICY_BATCH_MAX_BYTES (1024*1024)
/* So many rows are sealed at once, unless a record has more. */
#define POP3_POLICY_BATCH_MAX_ROWS 4096
/* Batches under way at once: the next one is received while the one before it
   is committed. */
#define POP3_POLICY_BATCHES_MAX 4
/* How often a record may be canceled by the statement timeout or fail for an
   unknown reason, alone, before it is taken for one that cannot be written. */
#define POP3_POLICY_RECORD_MAX_FAILURES 5
/* The same where its values are refused. The second time nothing else was
   written meanwhile. */
#define POP3_POLICY_RECORD_MAX_REFUSALS 2
#define POP3_POLICY_RETRY_MIN_MSECS 100
#define POP3_POLICY_RETRY_MAX_MSECS 5000

static void pop3_policy_batch_free(struct pop3_policy_batch **_batch)
{
	struct pop3_policy_batch *batch = *_batch;
	struct pop3_policy_writer *writer = batch->writer;

	*_batch = NULL;
	i_assert(batch->records.head == NULL);
	DLLIST2_REMOVE(&writer->batches_head, &writer->batches_tail, batch);
	writer->batch_count--;
	event_unref(&batch->event);
	i_free(batch->error);
	i_free(batch);
}

static void
pop3_policy_batch_finished_event(struct pop3_policy_batch *batch,
				 const char *error)
{
	struct event_passthrough *e =
		event_create_passthrough(batch->event)->
		set_name("pop3_policy_record_finished")->
		add_int("batch", batch->number)->
		add_int("records", batch->records.count)->
		add_int("rows", batch->last_seq - batch->first_seq + 1);

	if (error != NULL)
		e->add_str("error", error);
	e_debug(e->event(), "Batch %"PRId64" with %u records, seq %"PRId64
		"..%"PRId64": %s", batch->number, batch->records.count,
		batch->first_seq, batch->last_seq,
		error == NULL ? "committed" : error);
}

void pop3_policy_batch_committed(struct pop3_policy_batch *batch, bool blind)
{
	struct pop3_policy_writer *writer = batch->writer;
	struct pop3_policy_record_list records = batch->records;
	struct pop3_policy_record *record;

	i_assert(batch == writer->batches_head);

	pop3_policy_batch_finished_event(batch, NULL);
	writer->head_batch = batch->number;
	writer->head_seq = batch->last_seq;
	if (memcmp(writer->head_mac, batch->last_mac,
		   sizeof(writer->head_mac)) != 0) {
		memcpy(writer->head_mac, batch->last_mac,
		       sizeof(writer->head_mac));
		pop3_policy_checkpoint_head(writer->checkpoint,
			pop3_policy_chain_id_get(writer->chain),
			writer->head_seq, writer->head_mac);
	}
	writer->retry_msecs = 0;
	T_BEGIN {
		pop3_policy_writer_log_committed(writer, batch);
	} T_END;
	i_zero(&batch->records);
	pop3_policy_batch_free(&batch);

	/* callbacks may queue and send more */
	while ((record = records.head) != NULL) T_BEGIN {
		pop3_policy_record_list_remove(&records, record);
		record->batch = NULL;
		if (record->result == NULL && !blind) {
			/* not reached: every statement was answered */
			i_unreached();
		}
		pop3_policy_writer_settle(writer, record, blind ?
			POP3_POLICY_RECORD_COMMITTED_BLIND :
			POP3_POLICY_RECORD_COMMITTED);
	} T_END;
}

static void pop3_policy_batch_requeue(struct pop3_policy_batch *batch,
				      struct pop3_policy_record_list *dest)
{
	struct pop3_policy_record *record;

	while ((record = batch->records.head) != NULL) {
		pop3_policy_record_list_remove(&batch->records, record);
		record->batch = NULL;
		pop3_policy_db_result_unref(&record->result);
		pop3_policy_record_list_append(dest, record);
	}
	pop3_policy_batch_free(&batch);
}

void pop3_policy_writer_requeue_all(struct pop3_policy_writer *writer)
{
	while (writer->batches_head != NULL)
		pop3_policy_batch_requeue(writer->batches_head,
					  &writer->requeue);
	pop3_policy_record_list_prepend_list(&writer->queue, &writer->requeue);
	writer->failing = FALSE;
	writer->locked_user = NULL;
}

/* --- what failed --- */

static void pop3_policy_writer_retry(struct pop3_policy_writer *writer)
{
	timeout_remove(&writer->to_retry);
	pop3_policy_writer_flush(writer);
}

static void pop3_policy_writer_pause(struct pop3_policy_writer *writer)
{
	writer->retry_msecs = writer->retry_msecs == 0 ?
		POP3_POLICY_RETRY_MIN_MSECS :
		I_MIN(writer->retry_msecs * 2, POP3_POLICY_RETRY_MAX_MSECS);
	timeout_remove(&writer->to_retry);
	writer->to_retry = timeout_add_short(writer->retry_msecs,
				       pop3_policy_writer_retry, writer);
}

/* The database refuses this record, alone, for good. */
static void pop3_policy_writer_refused(struct pop3_policy_writer *writer,
				       struct pop3_policy_batch *batch)
{
	struct pop3_policy_record *record = batch->failed_record;
	struct pop3_policy_record *quarantine;
	struct event_passthrough *e =
		event_create_passthrough(batch->event)->
		set_name("pop3_policy_record_refused")->
		add_str("user", record->username)->
		add_str("record", pop3_policy_record_name(record))->
		add_str("error", batch->error);

	if (pop3_policy_record_info(record->kind)->awaited &&
	    !record->accepted) {
		e_error(e->event(), "%s of user %s was refused: %s",
			pop3_policy_record_name(record),
			record->username == NULL ? "-" : record->username,
			batch->error);
	} else if (record->kind == POP3_POLICY_RECORD_QUARANTINE) {
		e_error(e->event(), "Not even the quarantine takes a "
			"record, it is dropped: %s: %s", batch->error,
			pop3_policy_record_text(record, 1000));
	} else {
		e_error(e->event(), "A record was refused and goes to "
			"pop3.quarantine: %s: %s", batch->error,
			pop3_policy_record_text(record, 1000));
		quarantine = pop3_policy_record_quarantine(record,
							   batch->error);
		pop3_policy_writer_log_replaced(writer, record, quarantine);
		/* whoever waits for the user's records waits for this one */
		quarantine->user = record->user;
		record->user = NULL;
		pop3_policy_record_list_append(&writer->requeue, quarantine);
	}
	pop3_policy_record_list_remove(&batch->records, record);
	record->batch = NULL;
	pop3_policy_writer_settle(writer, record, POP3_POLICY_RECORD_FAILED);
}

/* It could be written, but not sealed. No record is at fault. */
static void pop3_policy_batch_judge_seal(struct pop3_policy_batch *batch)
{
	struct pop3_policy_record *record = batch->records.head;

	switch (batch->failure) {
	case POP3_POLICY_DB_FAILURE_TRANSIENT:
	case POP3_POLICY_DB_FAILURE_LOCK:
		pop3_policy_writer_pause(batch->writer);
		return;
	case POP3_POLICY_DB_FAILURE_TIMEOUT:
	case POP3_POLICY_DB_FAILURE_UNKNOWN:
		if (batch->records.count > 1) {
			/* fewer at a time */
			for (; record != NULL; record = record->next)
				record->single = TRUE;
			pop3_policy_writer_pause(batch->writer);
			return;
		}
		break;
	case POP3_POLICY_DB_FAILURE_SCHEMA:
	case POP3_POLICY_DB_FAILURE_CHAIN:
	case POP3_POLICY_DB_FAILURE_DATA:
		break;
	}
	pop3_policy_db_fail(batch->writer->db, batch->failure, batch->error);
}

/* The first of the batches under way that failed: decide what to do. */
static void pop3_policy_batch_judge(struct pop3_policy_batch *batch)
{
	struct pop3_policy_writer *writer = batch->writer;
	struct pop3_policy_record *record = batch->failed_record;
	enum pop3_policy_db_failure failure = batch->failure;
	bool alone = batch->records.count == 1;

	if (batch->failed_seal) {
		pop3_policy_batch_judge_seal(batch);
		return;
	}
	if (record == NULL || failure == POP3_POLICY_DB_FAILURE_SCHEMA) {
		/* nothing can be written here now: start over */
		pop3_policy_db_fail(writer->db, failure, batch->error);
		return;
	}
	switch (failure) {
	case POP3_POLICY_DB_FAILURE_TRANSIENT:
		pop3_policy_writer_pause(writer);
		break;
	case POP3_POLICY_DB_FAILURE_LOCK:
		/* set aside once nothing is under way any more; that may last,
		   and is no fault of the record */
		if (record->user != NULL)
			writer->locked_user = record->user;
		else
			pop3_policy_writer_pause(writer);
		break;
	case POP3_POLICY_DB_FAILURE_TIMEOUT:
	case POP3_POLICY_DB_FAILURE_UNKNOWN:
		if (alone && ++record->failures >=
		    POP3_POLICY_RECORD_MAX_FAILURES) {
			pop3_policy_writer_refused(writer, batch);
			break;
		}
		record->single = TRUE;
		pop3_policy_writer_pause(writer);
		break;
	case POP3_POLICY_DB_FAILURE_DATA:
	case POP3_POLICY_DB_FAILURE_CHAIN:
		/* only what fails by itself is at fault itself */
		if (alone && ++record->refusals >=
		    POP3_POLICY_RECORD_MAX_REFUSALS)
			pop3_policy_writer_refused(writer, batch);
		else
			record->single = TRUE;
		break;
	case POP3_POLICY_DB_FAILURE_SCHEMA:
		i_unreached();
	}
}

static void pop3_policy_batch_failed(struct pop3_policy_batch *batch)
{
	struct pop3_policy_writer *writer = batch->writer;

	pop3_policy_batch_finished_event(batch, batch->error);
	if (!writer->failing) {
		/* those sent after it find the chain's head unmoved, and
		   fail as well */
		writer->failing = TRUE;
		pop3_policy_batch_judge(batch);
	}
	pop3_policy_batch_requeue(batch, &writer->requeue);
	if (writer->batch_count == 0) {
		struct pop3_policy_writer_user *locked = writer->locked_user;

		pop3_policy_writer_requeue_all(writer);
		if (locked != NULL)
			pop3_policy_writer_defer_user(writer, locked);
		writer->urgent = TRUE;
	}
}

/* --- answers --- */

static void pop3_policy_batch_note_failure(struct pop3_policy_batch *batch,
	struct pop3_policy_record *record,
	const struct pop3_policy_db_result *result)
{
	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_ERROR ||
	    batch->failed)
		return;
	batch->failed = TRUE;
	batch->failed_record = record;
	batch->failure = pop3_policy_db_result_failure(result);
	batch->error = i_strdup(pop3_policy_db_result_error(result));
}

void pop3_policy_batch_note_seal_failure(struct pop3_policy_batch *batch,
	const struct pop3_policy_db_result *result)
{
	bool failed = batch->failed;

	pop3_policy_batch_note_failure(batch, NULL, result);
	batch->failed_seal = batch->failed && !failed;
}

static void
pop3_policy_batch_begin_callback(struct pop3_policy_db_result *result,
				 void *context)
{
	pop3_policy_batch_note_failure(context, NULL, result);
}

static void
pop3_policy_batch_record_callback(struct pop3_policy_db_result *result,
				  void *context)
{
	struct pop3_policy_record *record = context;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK) {
		/* it holds only when the batch does */
		pop3_policy_db_result_ref(result);
		record->result = result;
	}
	pop3_policy_batch_note_failure(record->batch, record, result);
}

static void
pop3_policy_batch_sync_callback(struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_batch *batch = context;
	struct pop3_policy_writer *writer = batch->writer;

	/* LOST: the chain's head will tell, on the next connection */
	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_OK)
		return;
	if (batch->failed)
		pop3_policy_batch_failed(batch);
	else
		pop3_policy_batch_committed(batch, FALSE);
	pop3_policy_writer_send(writer);
}

/* --- sending --- */

static bool
pop3_policy_batch_takes(const struct pop3_policy_batch *batch,
			const struct pop3_policy_record *record)
{
	if (batch->records.count == 0)
		return TRUE;
	return !record->single && !batch->records.head->single &&
		batch->records.count < POP3_POLICY_BATCH_MAX_RECORDS &&
		pop3_policy_batch_rows(batch) + record->seqs <=
		POP3_POLICY_BATCH_MAX_ROWS &&
		batch->records.bytes + record->bytes <=
		POP3_POLICY_BATCH_MAX_BYTES;
}

static bool pop3_policy_writer_may_send(struct pop3_policy_writer *writer)
{
	struct pop3_policy_record *record = writer->queue.head;

	if (writer->state != POP3_POLICY_WRITER_OPEN || writer->failing ||
	    writer->to_retry != NULL || writer->adopting || record == NULL ||
	    !pop3_policy_db_is_connected(writer->db) ||
	    writer->batch_count >= POP3_POLICY_BATCHES_MAX)
		return FALSE;
	if (!writer->urgent &&
	    writer->queue.count < POP3_POLICY_BATCH_MAX_RECORDS)
		return FALSE;
	if (writer->batches_tail != NULL) {
		/* The next seal follows this one's. One that may fail takes
		   no others along. */
		if (!writer->batches_tail->ended ||
		    writer->batches_tail->failed ||
		    writer->batches_tail->records.head->single)
			return FALSE;
	}
	return !record->single || writer->batch_count == 0;
}

static void pop3_policy_batch_fill(struct pop3_policy_batch *batch)
{
	struct pop3_policy_writer *writer = batch->writer;
	struct pop3_policy_record *record;

	while ((record = writer->queue.head) != NULL) {
		if (pop3_policy_record_info(record->kind)->awaited &&
		    record->callback == NULL && !record->accepted) {
			/* nobody waits for it any more */
			pop3_policy_record_list_remove(&writer->queue, record);
			pop3_policy_writer_settle(writer, record,
						  POP3_POLICY_RECORD_FAILED);
			continue;
		}
		if (!pop3_policy_batch_takes(batch, record))
			break;
		pop3_policy_record_list_remove(&writer->queue, record);
		record->batch = batch;
		pop3_policy_record_list_append(&batch->records, record);
		batch->last_seq += record->seqs;
	}
}

/* When the next record was made, or that it is of now. */
static void
pop3_policy_batch_send_time(struct pop3_policy_batch *batch,
			    const struct pop3_policy_record *record)
{
	const char *params[2] = { NULL, NULL };

	if (record->late) {
		params[0] = pop3_policy_record_time_text(record->time);
		params[1] = record->accepted ? "t" : "f";
	}
	pop3_policy_db_send(batch->writer->db, POP3_POLICY_STMT_REPLAY_AT,
			    params, pop3_policy_batch_begin_callback, batch);
}

/* For whom it changes the state of maildrops; NULL if it cannot tell. */
static const char *
pop3_policy_batch_users(const struct pop3_policy_batch *batch)
{
	string_t *users = pop3_policy_array_begin();
	const struct pop3_policy_record *record;
	const char *last = NULL;

	for (record = batch->records.head; record != NULL;
	     record = record->next) {
		if (!pop3_policy_record_info(record->kind)->state)
			continue;
		if (record->username == NULL) {
			/* an event of no user changes no state */
			if (record->kind == POP3_POLICY_RECORD_EVENT)
				continue;
			return NULL;
		}
		if (last == NULL || strcmp(last, record->username) != 0)
			pop3_policy_array_add_text(users, record->username);
		last = record->username;
	}
	return pop3_policy_array_end(users);
}

static void pop3_policy_batch_send(struct pop3_policy_batch *batch)
{
	struct pop3_policy_writer *writer = batch->writer;
	const char *chain_id = pop3_policy_chain_id_get(writer->chain);
	const char *params[] = {
		chain_id,
		t_strdup_printf("%"PRId64, writer->epoch),
		t_strdup_printf("%"PRId64, batch->number),
		t_strdup_printf("%"PRId64, batch->first_seq),
		t_strdup_printf("%"PRId64, batch->last_seq),
		pop3_policy_batch_users(batch),
	};
	struct pop3_policy_record *record;
	int64_t seq = batch->first_seq;
	bool late = FALSE;

	pop3_policy_writer_log_batch(writer, batch);
	batch->event = event_create(writer->event);
	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_BATCH_BEGIN, params,
			    pop3_policy_batch_begin_callback, batch);
	for (record = batch->records.head; record != NULL;
	     record = record->next) {
		if (record->late || late)
			pop3_policy_batch_send_time(batch, record);
		late = record->late;
		pop3_policy_record_send(record, writer->db, chain_id, seq,
					pop3_policy_batch_record_callback);
		seq += record->seqs;
	}
	if (pop3_policy_batch_rows(batch) > 0)
		pop3_policy_batch_send_rows(batch);
	else
		pop3_policy_batch_end(batch);
}

void pop3_policy_batch_end(struct pop3_policy_batch *batch)
{
	batch->ended = TRUE;
	if (pop3_policy_batch_rows(batch) > 0 && !batch->failed)
		pop3_policy_writer_log_sealed(batch->writer, batch);
	pop3_policy_db_sync(batch->writer->db, pop3_policy_batch_sync_callback,
			    batch);
}

void pop3_policy_writer_send(struct pop3_policy_writer *writer)
{
	struct pop3_policy_batch *batch, *last;

	pop3_policy_writer_replay_more(writer);
	pop3_policy_writer_adopt_more(writer);
	while (pop3_policy_writer_may_send(writer)) {
		last = writer->batches_tail;
		batch = i_new(struct pop3_policy_batch, 1);
		batch->writer = writer;
		batch->number = (last == NULL ? writer->head_batch :
				 last->number) + 1;
		batch->first_seq = (last == NULL ? writer->head_seq :
				    last->last_seq) + 1;
		batch->last_seq = batch->first_seq - 1;
		memcpy(batch->last_mac, last == NULL ? writer->head_mac :
		       last->last_mac, sizeof(batch->last_mac));
		DLLIST2_APPEND(&writer->batches_head, &writer->batches_tail,
			       batch);
		writer->batch_count++;
		pop3_policy_batch_fill(batch);
		if (batch->records.head == NULL) {
			pop3_policy_batch_free(&batch);
			break;
		}
		T_BEGIN {
			pop3_policy_batch_send(batch);
		} T_END;
	}
	if (writer->queue.count == 0) {
		writer->urgent = FALSE;
		timeout_remove(&writer->to_send);
	}
}
