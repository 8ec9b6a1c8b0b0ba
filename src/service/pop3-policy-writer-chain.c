/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "strnum.h"
#include "pop3-policy-param.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer-private.h"

/* The schema version this service was written for. One newer is served, too: it
   has what services of the version before call. */
#define POP3_POLICY_SCHEMA 3

struct pop3_policy_chain_head {
	int64_t batch, seq, epoch;
	/* of the last row that was sealed; zeros if none was */
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
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
			    struct pop3_policy_chain_head *head)
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
	const char *epoch = pop3_policy_db_result_get(result, 0, 5);
	unsigned int version;

	if (batch == NULL || str_to_int64(batch, &head_r->batch) < 0 ||
	    seq == NULL || str_to_int64(seq, &head_r->seq) < 0 ||
	    epoch == NULL || str_to_int64(epoch, &head_r->epoch) < 0 ||
	    pop3_policy_chain_parse_mac(
		pop3_policy_db_result_get(result, 0, 6), head_r) < 0 ||
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

/* Find out which of the batches that were under way are durable. Returns FALSE
   if the head is none of those that we can have left. */
static bool
pop3_policy_writer_reconcile(struct pop3_policy_writer *writer,
			     const struct pop3_policy_chain_head *head)
{
	struct pop3_policy_batch *batch;
	bool found;

	if (!writer->head_known) {
		/* of a process before this one */
		writer->head_batch = head->batch;
		writer->head_seq = head->seq;
		memcpy(writer->head_mac, head->mac, sizeof(writer->head_mac));
		writer->head_known = TRUE;
		return TRUE;
	}
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

static void pop3_policy_writer_new_chain(struct pop3_policy_writer *writer,
	const struct pop3_policy_chain_head *head)
{
	const char *old = t_strdup(pop3_policy_chain_id_get(writer->chain));
	const char *retired, *error;

	if (pop3_policy_chain_id_renew(writer->chain, &retired, &error) < 0) {
		e_error(writer->event, "Chain %s was moved by something else "
			"(head: batch %"PRId64", seq %"PRId64"; expected "
			"%"PRId64", %"PRId64"), and a new one cannot be begun: "
			"%s", old, head->batch, head->seq, writer->head_batch,
			writer->head_seq, error);
		pop3_policy_db_fail(writer->db, POP3_POLICY_DB_FAILURE_CHAIN,
				    error);
		return;
	}
	e_error(writer->event, "Chain %s was moved by something else (head: "
		"batch %"PRId64", seq %"PRId64"; expected %"PRId64", %"PRId64
		"): another service runs with a copy of its id, or the "
		"database was put back to an earlier state. Going on with the "
		"new chain %s in %s; the old id is kept in %s. See: SELECT * "
		"FROM pop3.chain WHERE chain_id = '%s'",
		old, head->batch, head->seq, writer->head_batch,
		writer->head_seq, pop3_policy_chain_id_get(writer->chain),
		pop3_policy_chain_id_path(writer->chain), retired, old);
	/* What was under way may be there already, in the old chain. Twice
	   reported is better than never. */
	writer->head_known = FALSE;
	pop3_policy_writer_chain_open(writer);
}

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
	if (!pop3_policy_writer_reconcile(writer, &head)) {
		pop3_policy_writer_new_chain(writer, &head);
		return;
	}
	writer->epoch = head.epoch;
	pop3_policy_writer_requeue_all(writer);
	e_debug(writer->event, "Chain %s is open at batch %"PRId64", seq "
		"%"PRId64"; %u records are waiting",
		pop3_policy_chain_id_get(writer->chain), head.batch, head.seq,
		writer->queue.count);
	writer->full_logged = FALSE;
	if (writer->dropped > 0) {
		e_error(writer->event, "%u records were dropped while the "
			"database was away", writer->dropped);
		writer->dropped = 0;
	}
	writer->state = POP3_POLICY_WRITER_OPEN;
	pop3_policy_writer_flush(writer);
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

	writer->state = POP3_POLICY_WRITER_OPENING;
	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_CHAIN_OPEN, params,
			    pop3_policy_writer_open_callback, writer);
	pop3_policy_db_sync(writer->db, pop3_policy_writer_open_sync_callback,
			    writer);
}
