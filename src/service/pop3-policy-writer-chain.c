/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "strnum.h"
#include "pop3-policy-param.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-checkpoint.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer-private.h"

struct pop3_policy_chain_head {
	/* its MAC is that of the last row that was sealed; zeros if none was */
	struct pop3_policy_log_head head;
	int64_t epoch;
	/* the database's clock, seconds since 1970 */
	double now;
};

static int
pop3_policy_chain_check_parameters(const char *text, const char **error_r)
{
	const char *const *names;
	unsigned int i, count;

	if (pop3_policy_array_parse(pool_datastack_create(), text, &names,
				    &count, error_r) < 0)
		return -1;
	/* a newer schema may have more, after ours */
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		const char *name = pop3_policy_param_info(i)->name;

		if (i >= count || names[i] == NULL ||
		    strcmp(names[i], name) != 0) {
			*error_r = t_strdup_printf(
				"policy parameter %u is %s in the schema and "
				"%s in this service: they do not belong to "
				"the same version", i + 1, i >= count ||
				names[i] == NULL ? "missing" : names[i], name);
			return -1;
		}
	}
	return 0;
}

static int
pop3_policy_chain_parse_mac(const char *text,
			    struct pop3_policy_log_head *head)
{
	buffer_t *mac = t_buffer_create(sizeof(head->mac));

	memset(head->mac, 0, sizeof(head->mac));
	if (text == NULL)
		return 0;
	if (strlen(text) != 2 * sizeof(head->mac) ||
	    hex_to_binary(text, mac) < 0)
		return -1;
	memcpy(head->mac, mac->data, sizeof(head->mac));
	return 0;
}

/* Returns 0 if the schema fits, -1 + *error_r if not. */
static int
pop3_policy_chain_parse(const struct pop3_policy_db_result *result,
			struct pop3_policy_chain_head *head_r,
			const char **error_r)
{
	const char *batch = pop3_policy_db_result_get(result, 0, 0);
	const char *seq = pop3_policy_db_result_get(result, 0, 1);
	const char *schema = pop3_policy_db_result_get(result, 0, 2);
	const char *now = pop3_policy_db_result_get(result, 0, 4);
	const char *epoch = pop3_policy_db_result_get(result, 0, 5);
	unsigned int version;

	if (batch == NULL || str_to_int64(batch, &head_r->head.batch) < 0 ||
	    seq == NULL || str_to_int64(seq, &head_r->head.seq) < 0 ||
	    epoch == NULL || str_to_int64(epoch, &head_r->epoch) < 0 ||
	    now == NULL || (head_r->now = strtod(now, NULL)) <= 0 ||
	    pop3_policy_chain_parse_mac(
		pop3_policy_db_result_get(result, 0, 6), &head_r->head) < 0 ||
	    schema == NULL || str_to_uint(schema, &version) < 0) {
		*error_r = "pop3.chain_open() returned no head";
		return -1;
	}
	if (version < POP3_POLICY_SCHEMA) {
		*error_r = t_strdup_printf("the schema has version %u, which "
			"is older than the %u or %u that this service serves; "
			"upgrade it", version, POP3_POLICY_SCHEMA,
			POP3_POLICY_SCHEMA + 1);
		return -1;
	}
	if (version > POP3_POLICY_SCHEMA + 1) {
		*error_r = t_strdup_printf("the schema has version %u, which "
			"is newer than the %u or %u that this service serves; "
			"upgrade dovecot-pop3-policy on this host", version,
			POP3_POLICY_SCHEMA, POP3_POLICY_SCHEMA + 1);
		return -1;
	}
	return pop3_policy_chain_check_parameters(
		pop3_policy_db_result_get(result, 0, 3), error_r);
}

int pop3_policy_writer_parse_head(const struct pop3_policy_db_result *result,
				  struct pop3_policy_log_head *head_r,
				  int64_t *epoch_r, const char **error_r)
{
	struct pop3_policy_chain_head head;

	if (pop3_policy_chain_parse(result, &head, error_r) < 0)
		return -1;
	*head_r = head.head;
	*epoch_r = head.epoch;
	return 0;
}

/* --- what the head says --- */

/* Find out which of the batches that were under way are durable. Returns FALSE
   if the head is none of those that we can have left. */
static bool
pop3_policy_writer_reconcile(struct pop3_policy_writer *writer,
			     const struct pop3_policy_log_head *head)
{
	struct pop3_policy_batch *batch;
	bool found;

	if (!writer->head_known)
		return FALSE;
	found = writer->head_batch == head->batch &&
		writer->head_seq == head->seq &&
		memcmp(writer->head_mac, head->mac, sizeof(head->mac)) == 0;
	for (batch = writer->batches_head; batch != NULL && !found;
	     batch = batch->next) {
		found = batch->number == head->batch &&
			batch->last_seq == head->seq &&
			memcmp(batch->last_mac, head->mac,
			       sizeof(head->mac)) == 0;
	}
	if (!found)
		return FALSE;
	while (writer->head_batch != head->batch)
		pop3_policy_batch_committed(writer->batches_head, TRUE);
	return TRUE;
}

static void
pop3_policy_writer_set_head(struct pop3_policy_writer *writer,
			    const struct pop3_policy_log_head *head)
{
	writer->head_batch = head->batch;
	writer->head_seq = head->seq;
	memcpy(writer->head_mac, head->mac, sizeof(writer->head_mac));
	writer->head_known = TRUE;
}

/* The audit tells that the chain goes on from an earlier place. */
static void
pop3_policy_writer_went_back(struct pop3_policy_writer *writer,
			     const struct pop3_policy_log_head *last,
			     const struct pop3_policy_log_head *head)
{
	static const unsigned int detail_param = 12;
	struct pop3_policy_record *record;
	unsigned int i;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_EVENT, NULL, 1);
	pop3_policy_record_add(record, "chain-back");
	for (i = 1; i < detail_param; i++) {
		pop3_policy_record_add(record, i == detail_param - 1 ?
				       "{}" : NULL);
	}
	pop3_policy_record_add(record, t_strdup_printf("from number %"PRId64
		" (batch %"PRId64") back to %"PRId64" (batch %"PRId64"): what "
		"the database lost was written again", last->seq, last->batch,
		head->seq, head->batch));
	pop3_policy_writer_add(writer, record);
	/* after it is in the log: there may be more such records than lines */
	pop3_policy_checkpoint_back(writer->checkpoint,
		pop3_policy_chain_id_get(writer->chain), head->seq, head->mac);
}

/* Somebody goes on with our chain. Opening it again would only stop them. */
static void
pop3_policy_writer_stop_cloned(struct pop3_policy_writer *writer,
			       const struct pop3_policy_log_head *head)
{
	const char *chain_id = pop3_policy_chain_id_get(writer->chain);
	const char *error = t_strdup_printf("chain %s stands at batch "
		"%"PRId64", seq %"PRId64", where this host did not bring it",
		chain_id, head->batch, head->seq);

	writer->log.cloned = TRUE;
	e_error(writer->event, "%s: another host goes on with it, of which "
		"this one is a copy, or this host was put back to an earlier "
		"state. Nothing is written and all sessions are refused. "
		"Remove %s, where no other host uses it, and restart: a new "
		"chain is begun then. What this host did not write yet stays "
		"in %s. See: SELECT * FROM pop3.chain WHERE chain_id = '%s'",
		error, pop3_policy_chain_id_path(writer->chain),
		pop3_policy_log_get_dir(writer->log.log), chain_id);
	pop3_policy_db_fail(writer->db, POP3_POLICY_DB_FAILURE_CHAIN, error);
}

static void
pop3_policy_writer_new_chain(struct pop3_policy_writer *writer,
			     const struct pop3_policy_log_head *head)
{
	const char *old = t_strdup(pop3_policy_chain_id_get(writer->chain));
	const char *old_log =
		t_strdup(pop3_policy_log_get_dir(writer->log.log));
	const char *retired, *error;

	if (pop3_policy_chain_id_renew(writer->chain, &retired, &error) < 0) {
		e_error(writer->event, "Chain %s went back to batch %"PRId64
			", seq %"PRId64", and a new one cannot be begun: %s",
			old, head->batch, head->seq, error);
		pop3_policy_db_fail(writer->db, POP3_POLICY_DB_FAILURE_CHAIN,
				    error);
		return;
	}
	e_error(writer->event, "Chain %s went back to batch %"PRId64", seq "
		"%"PRId64", which is longer ago than this host's log reaches: "
		"the database was put back to an earlier state. Going on with "
		"the new chain %s in %s; the old id is kept in %s, its log in "
		"%s. See: SELECT * FROM pop3.chain WHERE chain_id = '%s'",
		old, head->batch, head->seq,
		pop3_policy_chain_id_get(writer->chain),
		pop3_policy_chain_id_path(writer->chain), retired, old_log,
		old);
	/* What was under way may be there already, in the old chain. Twice
	   reported is better than never. */
	pop3_policy_writer_requeue_all(writer);
	writer->head_known = FALSE;
	pop3_policy_writer_log_renew(writer);
	pop3_policy_writer_chain_open(writer);
}

/* Returns TRUE if the chain can be gone on with. */
static bool
pop3_policy_writer_accept_head(struct pop3_policy_writer *writer,
			       const struct pop3_policy_chain_head *opened)
{
	const struct pop3_policy_log_head *head = &opened->head;
	const struct pop3_policy_log_head last =
		pop3_policy_log_get_state(writer->log.log)->head;
	const char *error;

	if (pop3_policy_writer_reconcile(writer, head))
		return TRUE;
	switch (pop3_policy_writer_log_find_head(writer, head, opened->epoch,
						 &error)) {
	case POP3_POLICY_WRITER_HEAD_OK:
		pop3_policy_writer_set_head(writer, head);
		return TRUE;
	case POP3_POLICY_WRITER_HEAD_BACK:
		pop3_policy_writer_set_head(writer, head);
		pop3_policy_writer_went_back(writer, &last, head);
		return TRUE;
	case POP3_POLICY_WRITER_HEAD_TOO_OLD:
		pop3_policy_writer_new_chain(writer, head);
		return FALSE;
	case POP3_POLICY_WRITER_HEAD_FOREIGN:
		pop3_policy_writer_stop_cloned(writer, head);
		return FALSE;
	case POP3_POLICY_WRITER_HEAD_ERROR:
		pop3_policy_db_fail(writer->db,
				    POP3_POLICY_DB_FAILURE_TRANSIENT, error);
		return FALSE;
	}
	i_unreached();
}

static void
pop3_policy_writer_all_late(const struct pop3_policy_record_list *list)
{
	struct pop3_policy_record *record;

	for (record = list->head; record != NULL; record = record->next)
		record->late = TRUE;
}

/* --- opening it --- */

static void pop3_policy_writer_opened(struct pop3_policy_writer *writer,
	const struct pop3_policy_db_result *result)
{
	struct pop3_policy_chain_head head;
	const char *error;

	if (pop3_policy_chain_parse(result, &head, &error) < 0) {
		pop3_policy_db_fail(writer->db, POP3_POLICY_DB_FAILURE_SCHEMA,
				    error);
		return;
	}
	writer->log.clock_offset = 0;
	writer->log.clock_offset = (int64_t)(head.now * 1000000) -
		pop3_policy_writer_time(writer);
	if (!pop3_policy_writer_accept_head(writer, &head))
		return;
	writer->epoch = head.epoch;
	pop3_policy_writer_requeue_all(writer);
	/* if it cannot be said there, it will be */
	(void)pop3_policy_writer_log_opened(writer);
	pop3_policy_writer_all_late(&writer->queue);
	pop3_policy_writer_all_late(&writer->deferred);
	e_debug(writer->event, "Chain %s is open at batch %"PRId64", seq "
		"%"PRId64"; %u records are waiting",
		pop3_policy_chain_id_get(writer->chain), head.head.batch,
		head.head.seq, writer->queue.count);
	writer->full_logged = FALSE;
	if (writer->dropped > 0) {
		e_error(writer->event, "%u records were dropped while the "
			"database was away", writer->dropped);
		writer->dropped = 0;
	}
	writer->state = POP3_POLICY_WRITER_OPEN;
	pop3_policy_writer_replay_begin(writer);
	pop3_policy_writer_adopt_look(writer);
	pop3_policy_writer_flush(writer);
	/* later sessions rely on all of it */
	if (writer->log.reader == NULL)
		pop3_policy_pool_writer_up(writer->pool);
}

static void
pop3_policy_writer_open_callback(struct pop3_policy_db_result *result,
				 void *context)
{
	struct pop3_policy_writer *writer = context;

	switch (pop3_policy_db_result_status(result)) {
	case POP3_POLICY_DB_OK:
		pop3_policy_db_result_ref(result);
		writer->open_result = result;
		break;
	case POP3_POLICY_DB_ERROR:
		pop3_policy_db_fail(writer->db,
				    pop3_policy_db_result_failure(result),
				    pop3_policy_db_result_error(result));
		break;
	default:
		break;
	}
}

static void
pop3_policy_writer_open_sync_callback(struct pop3_policy_db_result *result,
				      void *context)
{
	struct pop3_policy_writer *writer = context;
	struct pop3_policy_db_result *open_result = writer->open_result;

	writer->open_result = NULL;
	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK &&
	    open_result != NULL)
		pop3_policy_writer_opened(writer, open_result);
	pop3_policy_db_result_unref(&open_result);
}

void pop3_policy_writer_chain_open(struct pop3_policy_writer *writer)
{
	const char *params[] = {
		pop3_policy_chain_id_get(writer->chain),
		t_strdup_printf("%u", POP3_POLICY_SCHEMA),
	};

	if (writer->log.cloned)
		return;
	/* As long as it is not on the disk that the chain was opened, the head
	   alone tells that it is ours, so that must be there before. */
	(void)pop3_policy_log_sync(writer->log.log);
	writer->state = POP3_POLICY_WRITER_OPENING;
	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_CHAIN_OPEN, params,
			    pop3_policy_writer_open_callback, writer);
	pop3_policy_db_sync(writer->db, pop3_policy_writer_open_sync_callback,
			    writer);
}
