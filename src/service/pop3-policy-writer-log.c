/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "time-util.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-log.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-writer-private.h"

#define POP3_POLICY_WRITER_EXPIRE_MSECS (10 * 60 * 1000)
#define POP3_POLICY_WRITER_LOG_RETRY_MSECS 1000
/* What is not settled by then is put on the disk: the connection may hang, or was
   lost behind it. */
#define POP3_POLICY_WRITER_UNANSWERED_MSECS 1000

struct pop3_policy_writer_durable {
	struct pop3_policy_writer_durable *prev, *next;
	/* NULL once it is durable in the database, or settled otherwise */
	struct pop3_policy_record *record;
	bool settled_ok;
	pop3_policy_writer_durable_callback_t *callback;
	void *context;
};

int64_t pop3_policy_writer_time(const struct pop3_policy_writer *writer)
{
	struct timeval tv;

	i_gettimeofday(&tv);
	return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec +
		writer->log.clock_offset;
}

static void pop3_policy_writer_log_catch_up(struct pop3_policy_writer *writer);

/* --- what cannot be appended now --- */

static void
pop3_policy_writer_log_behind(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;

	log->behind = TRUE;
	if (log->to_retry == NULL) {
		log->to_retry = timeout_add_short(
			POP3_POLICY_WRITER_LOG_RETRY_MSECS,
			pop3_policy_writer_log_catch_up, writer);
	}
}

/* It is settled, and that cannot be said in the log. */
static void pop3_policy_writer_log_miss(struct pop3_policy_writer *writer,
					const struct pop3_policy_record *record)
{
	if (record->log_id != 0)
		array_push_back(&writer->log.missed, &record->log_id);
}

static int
pop3_policy_writer_log_append(struct pop3_policy_writer *writer,
			      const struct pop3_policy_log_entry *entries,
			      unsigned int count)
{
	if (pop3_policy_log_append(writer->log.log, entries, count) == 0)
		return 0;
	pop3_policy_writer_log_behind(writer);
	return -1;
}

/* --- records --- */

static void
pop3_policy_record_log_entry(const struct pop3_policy_record *record,
			     struct pop3_policy_log_entry *entry_r)
{
	unsigned int skip =
		pop3_policy_record_info(record->kind)->chained ? 2 : 0;

	i_zero(entry_r);
	entry_r->type = POP3_POLICY_LOG_RECORD;
	entry_r->time = record->time;
	entry_r->function = pop3_policy_record_name(record);
	entry_r->username = record->username;
	entry_r->seqs = record->seqs;
	entry_r->params = record->params + skip;
	entry_r->param_count = record->param_count - skip;
	entry_r->accepted = record->accepted;
}

static int
pop3_policy_writer_log_append_record(struct pop3_policy_writer *writer,
				     struct pop3_policy_record *record)
{
	struct pop3_policy_log_entry entry;

	if (record->log_id != 0 ||
	    pop3_policy_record_info(record->kind)->unlogged)
		return 0;
	pop3_policy_record_log_entry(record, &entry);
	entry.id = pop3_policy_log_next_id(writer->log.log);
	if (pop3_policy_writer_log_append(writer, &entry, 1) < 0)
		return -1;
	record->log_id = entry.id;
	return 0;
}

static void pop3_policy_writer_log_sync(struct pop3_policy_writer *writer)
{
	timeout_remove(&writer->log.to_sync);
	(void)pop3_policy_log_sync(writer->log.log);
}

static void pop3_policy_writer_log_unanswered(struct pop3_policy_writer *writer);

static void pop3_policy_writer_log_watch(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(log->log);

	if (log->to_unanswered != NULL || state->unsettled == 0)
		return;
	log->unanswered_id = state->last_id;
	log->to_unanswered = timeout_add_short(
		POP3_POLICY_WRITER_UNANSWERED_MSECS,
		pop3_policy_writer_log_unanswered, writer);
}

static void pop3_policy_writer_log_unanswered(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;

	timeout_remove(&log->to_unanswered);
	if (writer->state != POP3_POLICY_WRITER_OPEN ||
	    !pop3_policy_log_state_is_settled(pop3_policy_log_get_state(log->log),
					      log->unanswered_id))
		pop3_policy_writer_log_sync(writer);
	/* else what is recorded from now on is put on the disk as it is */
	if (writer->state == POP3_POLICY_WRITER_OPEN)
		pop3_policy_writer_log_watch(writer);
}

int pop3_policy_writer_log_record(struct pop3_policy_writer *writer,
				  struct pop3_policy_record *record)
{
	struct pop3_policy_writer_log *log = &writer->log;

	if (record->time == 0)
		record->time = pop3_policy_writer_time(writer);
	if (writer->state != POP3_POLICY_WRITER_OPEN)
		record->late = TRUE;
	if (pop3_policy_writer_log_append_record(writer, record) < 0)
		return -1;
	/* nobody else has it */
	if (writer->state != POP3_POLICY_WRITER_OPEN && log->to_sync == NULL) {
		log->to_sync = timeout_add_short(writer->set->batch_interval,
			pop3_policy_writer_log_sync, writer);
	}
	if (writer->state == POP3_POLICY_WRITER_OPEN)
		pop3_policy_writer_log_watch(writer);
	return 0;
}

static void
pop3_policy_writer_log_settled(struct pop3_policy_record *record, bool ok)
{
	struct pop3_policy_writer_durable *durable = record->durable;

	if (durable != NULL) {
		durable->record = NULL;
		durable->settled_ok = ok;
		record->durable = NULL;
	}
}

void pop3_policy_writer_log_dropped(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record)
{
	struct pop3_policy_log_entry entry;

	pop3_policy_writer_log_settled(record, FALSE);
	/* at the end: it stays for the one who comes after us */
	if (record->log_id == 0 || writer->closing)
		return;
	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_DONE;
	entry.time = pop3_policy_writer_time(writer);
	entry.ids = &record->log_id;
	entry.id_count = 1;
	if (pop3_policy_writer_log_append(writer, &entry, 1) < 0)
		pop3_policy_writer_log_miss(writer, record);
	record->log_id = 0;
}

void pop3_policy_writer_log_replaced(struct pop3_policy_writer *writer,
				     struct pop3_policy_record *record,
				     struct pop3_policy_record *quarantine)
{
	struct pop3_policy_log_entry entries[2];

	quarantine->time = record->time;
	quarantine->late = record->late;
	quarantine->accepted = record->accepted;
	pop3_policy_record_log_entry(quarantine, &entries[0]);
	entries[0].id = pop3_policy_log_next_id(writer->log.log);
	i_zero(&entries[1]);
	entries[1].type = POP3_POLICY_LOG_DONE;
	entries[1].time = pop3_policy_writer_time(writer);
	entries[1].ids = &record->log_id;
	entries[1].id_count = record->log_id == 0 ? 0 : 1;
	if (pop3_policy_writer_log_append(writer, entries,
					  N_ELEMENTS(entries)) < 0)
		pop3_policy_writer_log_miss(writer, record);
	else
		quarantine->log_id = entries[0].id;
	record->log_id = 0;
}

/* --- batches --- */

void pop3_policy_writer_log_batch(struct pop3_policy_writer *writer,
				  const struct pop3_policy_batch *batch)
{
	const struct pop3_policy_record *record;
	struct pop3_policy_log_entry entry;
	ARRAY_TYPE(uint64_t) ids;

	t_array_init(&ids, batch->records.count + 1);
	for (record = batch->records.head; record != NULL;
	     record = record->next) {
		if (record->log_id != 0)
			array_push_back(&ids, &record->log_id);
	}
	/* those of a user that was waited for are not in order */
	array_sort(&ids, pop3_policy_log_id_cmp);
	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_BATCH;
	entry.time = pop3_policy_writer_time(writer);
	entry.head.batch = batch->number;
	entry.head.seq = batch->last_seq;
	if (pop3_policy_batch_rows(batch) == 0) {
		memcpy(entry.head.mac, batch->last_mac,
		       sizeof(entry.head.mac));
	}
	entry.first_seq = batch->first_seq;
	entry.ids = array_get(&ids, &entry.id_count);
	(void)pop3_policy_writer_log_append(writer, &entry, 1);
}

void pop3_policy_writer_log_sealed(struct pop3_policy_writer *writer,
				   const struct pop3_policy_batch *batch)
{
	struct pop3_policy_log_entry entry;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_SEALED;
	entry.time = pop3_policy_writer_time(writer);
	entry.head.batch = batch->number;
	entry.head.seq = batch->last_seq;
	memcpy(entry.head.mac, batch->last_mac, sizeof(entry.head.mac));
	(void)pop3_policy_writer_log_append(writer, &entry, 1);
}

static void
pop3_policy_writer_get_head(const struct pop3_policy_writer *writer,
			    struct pop3_policy_log_head *head_r)
{
	i_zero(head_r);
	head_r->batch = writer->head_batch;
	head_r->seq = writer->head_seq;
	memcpy(head_r->mac, writer->head_mac, sizeof(head_r->mac));
}

void pop3_policy_writer_log_committed(struct pop3_policy_writer *writer,
				      const struct pop3_policy_batch *batch)
{
	struct pop3_policy_log_entry entry;
	struct pop3_policy_record *record;
	bool missed;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_ACK;
	entry.time = pop3_policy_writer_time(writer);
	pop3_policy_writer_get_head(writer, &entry.head);
	/* while it is behind, it may not know what was in the batch */
	missed = pop3_policy_writer_log_append(writer, &entry, 1) < 0 ||
		writer->log.behind;
	for (record = batch->records.head; record != NULL;
	     record = record->next) {
		pop3_policy_writer_log_settled(record, TRUE);
		if (missed)
			pop3_policy_writer_log_miss(writer, record);
	}
}

int pop3_policy_writer_log_opened(struct pop3_policy_writer *writer)
{
	struct pop3_policy_log_entry entry;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_OPEN;
	entry.time = pop3_policy_writer_time(writer);
	entry.epoch = writer->epoch;
	pop3_policy_writer_get_head(writer, &entry.head);
	if (pop3_policy_writer_log_append(writer, &entry, 1) < 0)
		return -1;
	/* If the host crashes, the database may know of more batches than the
	   log does. That nobody else opened the chain since tells that they are
	   ours. */
	(void)pop3_policy_log_sync(writer->log.log);
	return 0;
}

/* --- after the disk was full --- */

static int pop3_policy_writer_log_list(struct pop3_policy_writer *writer,
				       const struct pop3_policy_record_list *list)
{
	struct pop3_policy_record *record;

	for (record = list->head; record != NULL; record = record->next) {
		if (pop3_policy_writer_log_append_record(writer, record) < 0)
			return -1;
	}
	return 0;
}

static int pop3_policy_writer_log_all(struct pop3_policy_writer *writer)
{
	struct pop3_policy_batch *batch;

	for (batch = writer->batches_head; batch != NULL; batch = batch->next) {
		if (pop3_policy_writer_log_list(writer, &batch->records) < 0)
			return -1;
		T_BEGIN {
			pop3_policy_writer_log_batch(writer, batch);
		} T_END;
	}
	if (pop3_policy_writer_log_list(writer, &writer->requeue) < 0 ||
	    pop3_policy_writer_log_list(writer, &writer->queue) < 0 ||
	    pop3_policy_writer_log_list(writer, &writer->deferred) < 0)
		return -1;
	return 0;
}

/* What was settled meanwhile, how the chain stands, and what is queued. */
static void pop3_policy_writer_log_catch_up(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	const uint64_t *ids;
	unsigned int count;

	if (!pop3_policy_log_is_usable(log->log))
		return;
	array_sort(&log->missed, pop3_policy_log_id_cmp);
	ids = array_get(&log->missed, &count);
	if (pop3_policy_log_append_done(log->log,
					pop3_policy_writer_time(writer),
					ids, count) < 0)
		return;
	array_clear(&log->missed);
	if ((writer->head_known && pop3_policy_writer_log_opened(writer) < 0) ||
	    pop3_policy_writer_log_all(writer) < 0)
		return;
	log->behind = FALSE;
	timeout_remove(&log->to_retry);
}

/* --- promises --- */

static void
pop3_policy_writer_log_promise(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	struct pop3_policy_writer_durable *durable, *durables = log->durables;
	struct pop3_policy_record *record;
	bool ok, synced = pop3_policy_log_sync(log->log) == 0;

	timeout_remove(&log->to_durable);
	timeout_remove(&log->to_sync);
	/* callbacks may add others */
	log->durables = NULL;
	while ((durable = durables) != NULL) {
		DLLIST_REMOVE(&durables, durable);
		record = durable->record;
		ok = record == NULL ? durable->settled_ok :
			synced && record->log_id != 0;
		if (record != NULL)
			record->durable = NULL;
		if (record != NULL && !ok && record->batch == NULL &&
		    !writer->failing) {
			/* whoever asked is told that it is not */
			pop3_policy_writer_drop_queued(writer, record);
		}
		durable->callback(ok, durable->context);
		i_free(durable);
	}
}

void pop3_policy_writer_add_durable(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record,
				    pop3_policy_writer_durable_callback_t *callback,
				    void *context)
{
	struct pop3_policy_writer_log *log = &writer->log;
	struct pop3_policy_writer_durable *durable;

	i_assert(!pop3_policy_record_info(record->kind)->unlogged);

	durable = i_new(struct pop3_policy_writer_durable, 1);
	durable->callback = callback;
	durable->context = context;
	/* in the order of asking */
	DLLIST_PREPEND(&log->durables, durable);
	if (log->to_durable == NULL) {
		log->to_durable = timeout_add_short(0,
			pop3_policy_writer_log_promise, writer);
	}
	if (!pop3_policy_writer_is_accepting(writer) ||
	    pop3_policy_writer_log_record(writer, record) < 0) {
		pop3_policy_record_free(&record);
		return;
	}
	durable->record = record;
	record->durable = durable;
	pop3_policy_writer_add(writer, record);
}

bool pop3_policy_writer_is_accepting(struct pop3_policy_writer *writer)
{
	return !writer->log.cloned && pop3_policy_log_is_usable(writer->log.log);
}

/* --- life --- */

static void pop3_policy_writer_log_expire(struct pop3_policy_writer *writer)
{
	pop3_policy_log_expire(writer->log.log,
			       pop3_policy_writer_time(writer));
}

int pop3_policy_writer_log_init(struct pop3_policy_writer *writer,
				const char **error_r)
{
	struct pop3_policy_writer_log *log = &writer->log;

	if (pop3_policy_log_open(writer->event, writer->set->state_dir,
				 pop3_policy_chain_id_get(writer->chain),
				 writer->set->log_keep, &log->log,
				 error_r) < 0)
		return -1;
	i_array_init(&log->missed, 16);
	i_array_init(&log->in_memory, 16);
	log->to_expire = timeout_add(POP3_POLICY_WRITER_EXPIRE_MSECS,
				     pop3_policy_writer_log_expire, writer);
	return 0;
}

void pop3_policy_writer_log_deinit(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;

	if (log->log == NULL)
		return;
	if (log->durables != NULL)
		pop3_policy_writer_log_promise(writer);
	pop3_policy_writer_replay_end(writer);
	timeout_remove(&log->to_durable);
	timeout_remove(&log->to_sync);
	timeout_remove(&log->to_unanswered);
	timeout_remove(&log->to_expire);
	timeout_remove(&log->to_retry);
	if (pop3_policy_log_get_state(log->log)->unsettled > 0)
		(void)pop3_policy_log_sync(log->log);
	pop3_policy_log_close(&log->log);
	array_free(&log->missed);
	array_free(&log->in_memory);
}

static void
pop3_policy_record_list_forget_ids(const struct pop3_policy_record_list *list)
{
	struct pop3_policy_record *record;

	for (record = list->head; record != NULL; record = record->next)
		record->log_id = 0;
}

void pop3_policy_writer_log_renew(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_log *log = &writer->log;
	const char *error;

	pop3_policy_writer_replay_end(writer);
	array_clear(&log->missed);
	/* of an id that was just made up there is none to read */
	pop3_policy_log_close(&log->log);
	if (pop3_policy_log_open(writer->event, writer->set->state_dir,
				 pop3_policy_chain_id_get(writer->chain),
				 writer->set->log_keep, &log->log, &error) < 0)
		i_fatal("%s", error);
	pop3_policy_record_list_forget_ids(&writer->requeue);
	pop3_policy_record_list_forget_ids(&writer->queue);
	pop3_policy_record_list_forget_ids(&writer->deferred);
	pop3_policy_writer_log_behind(writer);
	pop3_policy_writer_log_catch_up(writer);
}
