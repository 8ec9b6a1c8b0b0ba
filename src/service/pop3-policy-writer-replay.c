/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Records that are read from the log again: those that a process before this
   one did not get to write, and those that the database lost. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-log-read.h"
#include "pop3-policy-log.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer-private.h"

/* So much of the log is in memory at once. */
#define POP3_POLICY_REPLAY_MAX_RECORDS 10000
#define POP3_POLICY_REPLAY_MAX_BYTES (32*1024*1024)

/* --- records of the log --- */

/* What cannot be sent as it is, since it is of another version of this program,
   is kept for a person to look at. */
static struct pop3_policy_record *
pop3_policy_replay_quarantine(const struct pop3_policy_log_entry *entry)
{
	struct pop3_policy_record *record;
	string_t *text = t_str_new(256);
	unsigned int i;

	str_append(text, entry->function);
	for (i = 0; i < entry->param_count; i++) {
		str_append(text, i == 0 ? "(" : ", ");
		str_append(text, entry->params[i] == NULL ? "NULL" :
			   entry->params[i]);
	}
	str_append_c(text, ')');
	record = pop3_policy_record_create(POP3_POLICY_RECORD_QUARANTINE,
					   entry->username, 1);
	pop3_policy_record_add(record, str_c(text));
	pop3_policy_record_add(record, "found in the log, and not of this "
			       "version of the service");
	return record;
}

static struct pop3_policy_record *
pop3_policy_replay_record(const struct pop3_policy_log_entry *entry)
{
	const struct pop3_policy_record_info *info;
	struct pop3_policy_record *record;
	enum pop3_policy_record_kind kind;
	unsigned int i;

	if (!pop3_policy_record_kind(entry->function, &kind) ||
	    (info = pop3_policy_record_info(kind))->chained !=
	    (entry->seqs > 0) ||
	    pop3_policy_stmt_params(info->stmt) !=
	    entry->param_count + (info->chained ? 2 : 0)) {
		record = pop3_policy_replay_quarantine(entry);
	} else {
		record = pop3_policy_record_create(kind, entry->username,
						   entry->seqs);
		for (i = 0; i < entry->param_count; i++)
			pop3_policy_record_add(record, entry->params[i]);
	}
	record->time = entry->time;
	record->accepted = entry->accepted;
	record->late = TRUE;
	record->from_log = TRUE;
	return record;
}

static bool ids_have(ARRAY_TYPE(uint64_t) *ids, uint64_t id)
{
	return array_bsearch(ids, &id, pop3_policy_log_id_cmp) != NULL;
}

/* --- what the database lost --- */

/* Reads the log from a head on: which records were durable after it. */
struct pop3_policy_lost_records {
	const struct pop3_policy_log_head *head;
	struct pop3_policy_log_state state;
	/* the head was seen; how far back the log reaches */
	bool found;
	int64_t first_batch;
	ARRAY_TYPE(uint64_t) ids, copied;
};

static void
pop3_policy_lost_batches(struct pop3_policy_lost_records *lost,
			 int64_t up_to_batch)
{
	const struct pop3_policy_log_pending *pending;

	array_foreach(&lost->state.pending, pending) {
		if (pending->head.batch > lost->head->batch &&
		    pending->head.batch <= up_to_batch) {
			array_append(&lost->ids, pending->ids,
				     pending->id_count);
		}
	}
}

static void pop3_policy_lost_entry(struct pop3_policy_lost_records *lost,
				   const struct pop3_policy_log_entry *entry)
{
	switch (entry->type) {
	case POP3_POLICY_LOG_START:
	case POP3_POLICY_LOG_ACK:
	case POP3_POLICY_LOG_OPEN:
		if (entry->type == POP3_POLICY_LOG_START && entry->epoch == 0)
			break;
		if (lost->first_batch < 0 ||
		    entry->head.batch < lost->first_batch)
			lost->first_batch = entry->head.batch;
		if (pop3_policy_log_head_equals(&entry->head, lost->head))
			lost->found = TRUE;
		if (entry->type != POP3_POLICY_LOG_START)
			pop3_policy_lost_batches(lost, entry->head.batch);
		break;
	case POP3_POLICY_LOG_RECORD:
		if (entry->copy_of != 0)
			array_push_back(&lost->copied, &entry->copy_of);
		break;
	default:
		break;
	}
	pop3_policy_log_state_apply(&lost->state, entry, 0);
}

static int pop3_policy_lost_find(struct pop3_policy_writer *writer,
				 struct pop3_policy_lost_records *lost,
				 const char **error_r)
{
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry;
	bool more;

	if (pop3_policy_log_read_from(writer->log.log, lost->head, &reader,
				      error_r) < 0)
		return -1;
	do T_BEGIN {
		more = pop3_policy_log_reader_next(reader, &entry);
		if (more)
			pop3_policy_lost_entry(lost, &entry);
	} T_END; while (more);
	pop3_policy_log_reader_deinit(&reader);
	array_sort(&lost->ids, pop3_policy_log_id_cmp);
	array_sort(&lost->copied, pop3_policy_log_id_cmp);
	return 0;
}

/* Append what was lost to the log's end, as records that are not settled. */
static int pop3_policy_lost_copy(struct pop3_policy_writer *writer,
				 struct pop3_policy_lost_records *lost,
				 unsigned int *count_r, const char **error_r)
{
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry;
	bool more;
	int ret = 0;

	*count_r = 0;
	if (pop3_policy_log_read_from(writer->log.log, lost->head, &reader,
				      error_r) < 0)
		return -1;
	do T_BEGIN {
		more = pop3_policy_log_reader_next(reader, &entry);
		if (more && entry.type == POP3_POLICY_LOG_RECORD &&
		    ids_have(&lost->ids, entry.id) &&
		    !ids_have(&lost->copied, entry.id)) {
			entry.copy_of = entry.id;
			entry.id = pop3_policy_log_next_id(writer->log.log);
			entry.accepted = TRUE;
			ret = pop3_policy_log_append(writer->log.log, &entry,
						     1);
			*count_r += 1;
		}
	} T_END; while (more && ret == 0);
	pop3_policy_log_reader_deinit(&reader);
	if (ret < 0)
		*error_r = "the log cannot be written";
	return ret;
}

static enum pop3_policy_writer_head
pop3_policy_writer_head_back(struct pop3_policy_writer *writer,
			     const struct pop3_policy_log_head *head,
			     const char **error_r)
{
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(writer->log.log);
	const struct pop3_policy_log_head last = state->head;
	enum pop3_policy_writer_head ret = POP3_POLICY_WRITER_HEAD_ERROR;
	struct pop3_policy_lost_records lost;
	unsigned int count;

	i_zero(&lost);
	lost.head = head;
	lost.first_batch = -1;
	pop3_policy_log_state_init(&lost.state);
	i_array_init(&lost.ids, 64);
	i_array_init(&lost.copied, 16);
	if (pop3_policy_lost_find(writer, &lost, error_r) < 0)
		;
	else if (!lost.found) {
		ret = lost.first_batch < 0 || lost.first_batch > head->batch ?
			POP3_POLICY_WRITER_HEAD_TOO_OLD :
			POP3_POLICY_WRITER_HEAD_FOREIGN;
	} else if (pop3_policy_lost_copy(writer, &lost, &count, error_r) == 0) {
		e_warning(writer->event, "The database went back from batch "
			"%"PRId64", seq %"PRId64" to batch %"PRId64", seq "
			"%"PRId64", as after a fail-over to a standby that "
			"lagged: %u records are written again",
			last.batch, last.seq, head->batch, head->seq, count);
		ret = POP3_POLICY_WRITER_HEAD_BACK;
	}
	array_free(&lost.copied);
	array_free(&lost.ids);
	pop3_policy_log_state_deinit(&lost.state);
	return ret;
}

enum pop3_policy_writer_head
pop3_policy_writer_log_find_head(struct pop3_policy_writer *writer,
				 const struct pop3_policy_log_head *head,
				 int64_t epoch, const char **error_r)
{
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(writer->log.log);

	if (!state->opened) {
		/* the first one with a log */
		return writer->head_known ? POP3_POLICY_WRITER_HEAD_TOO_OLD :
			POP3_POLICY_WRITER_HEAD_OK;
	}
	if (pop3_policy_log_state_is_ours(state, head, epoch))
		return POP3_POLICY_WRITER_HEAD_OK;
	if (head->batch > state->head.batch)
		return POP3_POLICY_WRITER_HEAD_FOREIGN;
	return pop3_policy_writer_head_back(writer, head, error_r);
}

/* --- replaying --- */

static void pop3_policy_replay_note(ARRAY_TYPE(uint64_t) *ids,
				    const struct pop3_policy_record_list *list)
{
	const struct pop3_policy_record *record;

	for (record = list->head; record != NULL; record = record->next) {
		if (record->log_id != 0)
			array_push_back(ids, &record->log_id);
	}
}

void pop3_policy_writer_replay_begin(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(log->log);
	const char *error;

	i_assert(writer->batch_count == 0 && writer->requeue.count == 0);

	pop3_policy_writer_replay_end(writer);
	array_clear(&log->in_memory);
	pop3_policy_replay_note(&log->in_memory, &writer->queue);
	pop3_policy_replay_note(&log->in_memory, &writer->deferred);
	if (state->unsettled == array_count(&log->in_memory))
		return;
	array_sort(&log->in_memory, pop3_policy_log_id_cmp);
	log->read_last_id = state->last_id;
	log->read_count = 0;
	if (pop3_policy_log_read_from(log->log, NULL, &log->reader,
				      &error) < 0) {
		e_error(writer->event, "%s", error);
		return;
	}
	pop3_policy_writer_replay_more(writer);
}

void pop3_policy_writer_replay_end(struct pop3_policy_writer *writer)
{
	if (writer->log.reader != NULL)
		pop3_policy_log_reader_deinit(&writer->log.reader);
}

/* It is not settled, and not in memory. */
static void pop3_policy_replay_queue(struct pop3_policy_writer *writer,
				     const struct pop3_policy_log_entry *entry,
				     struct pop3_policy_record_list *list)
{
	struct pop3_policy_record *record = pop3_policy_replay_record(entry);
	struct pop3_policy_log_entry done;

	if (pop3_policy_record_info(record->kind)->awaited &&
	    !record->accepted) {
		/* who waited for it was told that it failed, or is gone */
		pop3_policy_record_free(&record);
		i_zero(&done);
		done.type = POP3_POLICY_LOG_DONE;
		done.time = pop3_policy_writer_time(writer);
		done.ids = &entry->id;
		done.id_count = 1;
		(void)pop3_policy_log_append(writer->log.log, &done, 1);
		return;
	}
	record->log_id = entry->id;
	record->id = ++writer->last_id;
	pop3_policy_writer_user_add(writer, record);
	writer->log.read_count++;
	if (record->user != NULL && record->user->deferred) {
		record->deferred = TRUE;
		pop3_policy_record_list_append(&writer->deferred, record);
		return;
	}
	pop3_policy_record_list_append(list, record);
}

void pop3_policy_writer_replay_more(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(log->log);
	struct pop3_policy_record_list list;
	struct pop3_policy_log_entry entry;
	bool more = TRUE;

	if (log->reader == NULL || writer->failing ||
	    (writer->queue.head != NULL && writer->queue.head->from_log))
		return;
	i_zero(&list);
	while (more && list.count < POP3_POLICY_REPLAY_MAX_RECORDS &&
	       list.bytes < POP3_POLICY_REPLAY_MAX_BYTES) T_BEGIN {
		more = pop3_policy_log_reader_next(log->reader, &entry);
		if (more && entry.type == POP3_POLICY_LOG_RECORD &&
		    entry.id <= log->read_last_id &&
		    !pop3_policy_log_state_is_settled(state, entry.id) &&
		    !ids_have(&log->in_memory, entry.id))
			pop3_policy_replay_queue(writer, &entry, &list);
	} T_END;
	pop3_policy_record_list_prepend_list(&writer->queue, &list);
	if (writer->queue.count > 0)
		writer->urgent = TRUE;
	if (more)
		return;
	pop3_policy_writer_replay_end(writer);
	if (log->read_count > 0) {
		e_info(writer->event, "%u records of the log are sent again",
		       log->read_count);
	}
	if (writer->state == POP3_POLICY_WRITER_OPEN)
		pop3_policy_pool_writer_up(writer->pool);
}
