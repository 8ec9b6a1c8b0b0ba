/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-checkpoint.h"
#include "pop3-policy-key.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-writer-private.h"

#define POP3_POLICY_WRITER_LOCK_MSECS 500
/* What may be kept while the database is away. */
#define POP3_POLICY_WRITER_MAX_RECORDS 100000
#define POP3_POLICY_WRITER_MAX_BYTES (128*1024*1024)
/* Shares of the queue, as divisors: how much of it may be dropped at once, and
   how much there must be to drop before the queue is looked through for it. */
#define POP3_POLICY_WRITER_DROP_SHARE 10
#define POP3_POLICY_WRITER_DROP_WORTH 100

static const enum pop3_policy_stmt writer_stmts[] = {
	POP3_POLICY_STMT_CHAIN_OPEN,
	POP3_POLICY_STMT_BATCH_BEGIN,
	POP3_POLICY_STMT_REPLAY_AT,
	POP3_POLICY_STMT_CHAIN_ROWS,
	POP3_POLICY_STMT_CHAIN_SEAL,
	POP3_POLICY_STMT_INTENT_STATE,
	POP3_POLICY_STMT_RECORD_INTENT,
	POP3_POLICY_STMT_RECORD_POSTPONED,
	POP3_POLICY_STMT_RECORD_OUTCOME,
	POP3_POLICY_STMT_RECORD_ABANDON,
	POP3_POLICY_STMT_CLAIM_INTENT,
	POP3_POLICY_STMT_RECORD_REPAIR,
	POP3_POLICY_STMT_RECORD_EVENT,
	POP3_POLICY_STMT_CARRY_OVER,
	POP3_POLICY_STMT_RECORD_SESSION,
	POP3_POLICY_STMT_RECORD_POLLS,
	POP3_POLICY_STMT_RECORD_IMAP_USE,
	POP3_POLICY_STMT_RECORD_USAGE,
	POP3_POLICY_STMT_TAKE_NOTICE,
	POP3_POLICY_STMT_RECORD_QUARANTINE,
	POP3_POLICY_STMT_CHAIN_PLAIN,
};

/* --- lists --- */

void pop3_policy_record_list_append(struct pop3_policy_record_list *list,
				    struct pop3_policy_record *record)
{
	DLLIST2_APPEND(&list->head, &list->tail, record);
	list->count++;
	list->bytes += record->bytes;
	list->drop_counts[record->drop]++;
}

void pop3_policy_record_list_remove(struct pop3_policy_record_list *list,
				    struct pop3_policy_record *record)
{
	DLLIST2_REMOVE(&list->head, &list->tail, record);
	i_assert(list->count > 0 && list->bytes >= record->bytes);
	list->count--;
	list->bytes -= record->bytes;
	i_assert(list->drop_counts[record->drop] > 0);
	list->drop_counts[record->drop]--;
}

void pop3_policy_record_list_prepend_list(struct pop3_policy_record_list *dest,
					  struct pop3_policy_record_list *src)
{
	unsigned int i;

	if (src->head == NULL)
		return;
	if (dest->head != NULL) {
		src->tail->next = dest->head;
		dest->head->prev = src->tail;
	} else {
		dest->tail = src->tail;
	}
	dest->head = src->head;
	dest->count += src->count;
	dest->bytes += src->bytes;
	for (i = 0; i < POP3_POLICY_DROP_COUNT; i++)
		dest->drop_counts[i] += src->drop_counts[i];
	i_zero(src);
}

/* --- the queue --- */

void pop3_policy_writer_settle(struct pop3_policy_writer *writer,
			       struct pop3_policy_record *record,
			       enum pop3_policy_record_status status)
{
	i_assert(record->prev == NULL && record->next == NULL);

	if (status == POP3_POLICY_RECORD_FAILED)
		pop3_policy_writer_log_dropped(writer, record);
	if (record->callback != NULL) {
		record->callback(status,
				 status == POP3_POLICY_RECORD_COMMITTED ?
				 record->result : NULL, record->context);
	}
	pop3_policy_writer_user_settled(writer, record);
	pop3_policy_record_free(&record);
}

/* Move at most `max' of the oldest records that may be dropped so. */
static void
pop3_policy_writer_take_droppable(struct pop3_policy_writer *writer,
				  enum pop3_policy_record_drop drop,
				  unsigned int max,
				  struct pop3_policy_record_list *dest)
{
	struct pop3_policy_record *record, *next;

	for (record = writer->queue.head; record != NULL && max > 0 &&
	     writer->queue.drop_counts[drop] > 0; record = next) {
		next = record->next;
		if (record->drop != drop)
			continue;
		pop3_policy_record_list_remove(&writer->queue, record);
		pop3_policy_record_list_append(dest, record);
		max--;
	}
}

/* Make room: the oldest records that nothing depends on go first. The queue is
   looked through only where that is worth while, not for each new record. */
static void pop3_policy_writer_drop_some(struct pop3_policy_writer *writer)
{
	const struct pop3_policy_record_list *queue = &writer->queue;
	struct pop3_policy_record_list dropped;
	struct pop3_policy_record *record;
	unsigned int max = queue->count / POP3_POLICY_WRITER_DROP_SHARE + 1;
	unsigned int worth = queue->count / POP3_POLICY_WRITER_DROP_WORTH + 1;

	if (!writer->full_logged) {
		writer->full_logged = TRUE;
		e_error(writer->event, "%u records (%zu bytes) wait for the "
			"database, no more are kept: poll counts, and then "
			"sessions that retrieved nothing, are dropped, oldest "
			"first. All others are kept", queue->count,
			queue->bytes);
	}
	i_zero(&dropped);
	if (queue->drop_counts[POP3_POLICY_DROP_FIRST] >= worth) {
		pop3_policy_writer_take_droppable(writer,
			POP3_POLICY_DROP_FIRST, max, &dropped);
	} else if (queue->drop_counts[POP3_POLICY_DROP_LAST] >= worth) {
		pop3_policy_writer_take_droppable(writer,
			POP3_POLICY_DROP_LAST, max, &dropped);
	}
	writer->dropped += dropped.count;
	while ((record = dropped.head) != NULL) {
		pop3_policy_record_list_remove(&dropped, record);
		pop3_policy_writer_settle(writer, record,
					  POP3_POLICY_RECORD_FAILED);
	}
}

static void pop3_policy_writer_enqueue(struct pop3_policy_writer *writer,
				       struct pop3_policy_record *record)
{
	record->id = ++writer->last_id;
	/* it goes to the database even if it cannot go to the disk */
	(void)pop3_policy_writer_log_record(writer, record);
	pop3_policy_writer_user_add(writer, record);
	if (record->user != NULL && record->user->deferred) {
		pop3_policy_record_list_append(&writer->deferred, record);
		record->deferred = TRUE;
		return;
	}
	pop3_policy_record_list_append(&writer->queue, record);
	if (writer->queue.count > POP3_POLICY_WRITER_MAX_RECORDS ||
	    writer->queue.bytes > POP3_POLICY_WRITER_MAX_BYTES)
		pop3_policy_writer_drop_some(writer);
}

void pop3_policy_writer_flush(struct pop3_policy_writer *writer)
{
	if (writer->queue.count > 0)
		writer->urgent = TRUE;
	pop3_policy_writer_send(writer);
}

static void pop3_policy_writer_send_timeout(struct pop3_policy_writer *writer)
{
	timeout_remove(&writer->to_send);
	pop3_policy_writer_flush(writer);
}

void pop3_policy_writer_add(struct pop3_policy_writer *writer,
			    struct pop3_policy_record *record)
{
	pop3_policy_writer_enqueue(writer, record);
	if (writer->to_send == NULL) {
		writer->to_send = timeout_add_short(writer->set->batch_interval,
					      pop3_policy_writer_send_timeout,
					      writer);
	}
	pop3_policy_writer_send(writer);
}

void pop3_policy_writer_add_awaited(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record,
				    pop3_policy_record_callback_t *callback,
				    void *context)
{
	i_assert(pop3_policy_record_info(record->kind)->awaited);

	record->callback = callback;
	record->context = context;
	pop3_policy_writer_enqueue(writer, record);
	pop3_policy_writer_flush(writer);
}

bool pop3_policy_writer_can_forget(const struct pop3_policy_writer *writer,
				   const struct pop3_policy_record *record)
{
	return record->deferred ||
		(record->batch == NULL && !writer->failing);
}

void pop3_policy_writer_drop_queued(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record)
{
	i_assert(record->batch == NULL);

	pop3_policy_record_list_remove(record->deferred ? &writer->deferred :
				       &writer->queue, record);
	pop3_policy_writer_settle(writer, record, POP3_POLICY_RECORD_FAILED);
}

void pop3_policy_writer_forget(struct pop3_policy_writer *writer,
			       struct pop3_policy_record **_record)
{
	struct pop3_policy_record *record = *_record;

	*_record = NULL;
	record->callback = NULL;
	record->context = NULL;
	/* Once sent it cannot be taken back. If it turns out not to be
	   durable, it is dropped before it is sent again. */
	if (pop3_policy_writer_can_forget(writer, record))
		pop3_policy_writer_drop_queued(writer, record);
}

static struct pop3_policy_record *
pop3_policy_record_list_find_postponed(const struct pop3_policy_record_list *list,
				       const char *username,
				       const char *session, const char *no)
{
	struct pop3_policy_record *record;

	for (record = list->head; record != NULL; record = record->next) {
		/* behind chain and sequence number */
		if (record->kind == POP3_POLICY_RECORD_POSTPONED &&
		    strcmp(record->username, username) == 0 &&
		    strcmp(record->params[2], session) == 0 &&
		    strcmp(record->params[3], no) == 0)
			return record;
	}
	return NULL;
}

bool pop3_policy_writer_cancel_postponed(struct pop3_policy_writer *writer,
					 const char *username,
					 const char *session, const char *no)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_list_find_postponed(&writer->queue,
							username, session, no);
	if (record == NULL) {
		record = pop3_policy_record_list_find_postponed(
			&writer->deferred, username, session, no);
	}
	if (record == NULL || !pop3_policy_writer_can_forget(writer, record))
		return FALSE;
	pop3_policy_writer_drop_queued(writer, record);
	return TRUE;
}

bool pop3_policy_writer_is_idle(const struct pop3_policy_writer *writer)
{
	return writer->queue.count == 0 && writer->batch_count == 0 &&
		writer->requeue.count == 0 && writer->deferred.count == 0;
}

/* --- the connection --- */

static void pop3_policy_writer_connected(void *context)
{
	struct pop3_policy_writer *writer = context;

	pop3_policy_writer_chain_open(writer);
}

static void
pop3_policy_writer_disconnected(bool was_connected ATTR_UNUSED,
				enum pop3_policy_db_failure failure,
				const char *error, void *context)
{
	struct pop3_policy_writer *writer = context;

	writer->state = POP3_POLICY_WRITER_CLOSED;
	pop3_policy_writer_replay_end(writer);
	pop3_policy_writer_adopt_cancel(writer);
	pop3_policy_db_result_unref(&writer->open_result);
	timeout_remove(&writer->to_retry);
	pop3_policy_pool_writer_down(writer->pool, failure, error);
}

static const struct pop3_policy_db_vfuncs writer_vfuncs = {
	.connected = pop3_policy_writer_connected,
	.disconnected = pop3_policy_writer_disconnected,
};

struct pop3_policy_writer *
pop3_policy_writer_init(struct event *event_parent,
			const struct pop3_policy_service_settings *set,
			struct pop3_policy_pool *pool,
			struct pop3_policy_state_cache *states,
			struct pop3_policy_chain_id **chain,
			struct pop3_policy_key **key)
{
	struct pop3_policy_writer *writer;
	struct pop3_policy_db_settings db_set;
	const char *error;

	writer = i_new(struct pop3_policy_writer, 1);
	writer->event = event_create(event_parent);
	writer->set = set;
	writer->pool = pool;
	writer->states = states;
	writer->chain = *chain;
	*chain = NULL;
	writer->key = *key;
	*key = NULL;
	writer->checkpoint = pop3_policy_checkpoint_init(writer->event,
							 set->state_dir);
	hash_table_create(&writer->users, default_pool, 0, str_hash, strcmp);
	if (pop3_policy_writer_log_init(writer, &error) < 0)
		i_fatal("%s", error);
	pop3_policy_writer_adopt_init(writer);

	i_zero(&db_set);
	db_set.conninfo = set->connect;
	db_set.role = "writer";
	/* a batch may have to wait for another host's session of the same
	   user; what takes longer than that is not the batch's size */
	db_set.statement_timeout_msecs =
		pop3_policy_writer_statement_msecs(set);
	/* whoever holds a row for longer must not hold up everybody else's
	   records with it */
	db_set.lock_timeout_msecs = I_MIN(set->query_timeout,
					  POP3_POLICY_WRITER_LOCK_MSECS);
	db_set.stall_msecs = db_set.statement_timeout_msecs +
		set->query_timeout;
	db_set.stmts = writer_stmts;
	db_set.stmt_count = N_ELEMENTS(writer_stmts);
	writer->db = pop3_policy_db_init(writer->event, &db_set,
					 &writer_vfuncs, writer);
	return writer;
}

void pop3_policy_writer_deinit(struct pop3_policy_writer **_writer)
{
	struct pop3_policy_writer *writer = *_writer;
	struct pop3_policy_record *record;
	unsigned int kept = 0, lost = 0;

	*_writer = NULL;
	/* calls back what is under way */
	pop3_policy_db_deinit(&writer->db);
	writer->state = POP3_POLICY_WRITER_CLOSED;
	writer->closing = TRUE;
	pop3_policy_writer_requeue_all(writer);
	pop3_policy_writer_undefer(writer);
	while ((record = writer->queue.head) != NULL) {
		if (record->log_id != 0)
			kept++;
		else
			lost++;
		pop3_policy_record_list_remove(&writer->queue, record);
		pop3_policy_writer_settle(writer, record,
					  POP3_POLICY_RECORD_FAILED);
	}
	if (kept > 0) {
		e_info(writer->event, "%u records could not be written before "
		       "the end; they are in the log, for the next service",
		       kept);
	}
	if (lost > 0) {
		e_error(writer->event, "%u records could not be written "
			"before the end and are lost, as they are not in the "
			"log", lost);
	}
	pop3_policy_writer_adopt_deinit(writer);
	pop3_policy_writer_log_deinit(writer);
	timeout_remove(&writer->to_send);
	timeout_remove(&writer->to_retry);
	pop3_policy_db_result_unref(&writer->open_result);
	hash_table_destroy(&writer->users);
	pop3_policy_checkpoint_deinit(&writer->checkpoint);
	pop3_policy_key_close(&writer->key);
	pop3_policy_chain_id_close(&writer->chain);
	event_unref(&writer->event);
	i_free(writer);
}
