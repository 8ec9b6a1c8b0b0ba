/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "guid.h"
#include "hex-binary.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-key.h"
#include "pop3-policy-plain.h"
#include "pop3-policy-record-session.h"
#include "pop3-policy-seal.h"
#include "pop3-policy-writer-private.h"

/* A batch is sealed in its own transaction: its rows are asked for before its
   end, and what proves them is sent with the end. What is committed is sealed,
   then, and nobody can change a row in between. */

/* --- the seal --- */

/* Rows come in any order. Returns the places of rows by number, NULL + *error_r
   unless each number has one row. */
static const unsigned int *
pop3_policy_batch_row_places(const struct pop3_policy_batch *batch,
			     const struct pop3_policy_db_result *result,
			     const char **error_r)
{
	unsigned int count = pop3_policy_batch_rows(batch);
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	/* plus one, so that zero is none */
	unsigned int *places = t_new(unsigned int, count);
	const char *value;
	int64_t seq;

	if (rows != count) {
		*error_r = t_strdup_printf("%u rows were found for %u "
					   "numbers", rows, count);
		return NULL;
	}
	for (i = 0; i < rows; i++) {
		value = pop3_policy_db_result_get(result, i, 0);
		if (value == NULL || str_to_int64(value, &seq) < 0 ||
		    seq < batch->first_seq || seq > batch->last_seq ||
		    places[seq - batch->first_seq] != 0) {
			*error_r = t_strdup_printf("number %s was not "
				"expected", value == NULL ? "NULL" : value);
			return NULL;
		}
		places[seq - batch->first_seq] = i + 1;
	}
	return places;
}

static int
pop3_policy_batch_seal_rows(struct pop3_policy_batch *batch,
			    const struct pop3_policy_db_result *result,
			    struct pop3_policy_seal *seal, const char **error_r)
{
	const unsigned int *places;
	unsigned int i, row;
	const char *error;
	char *failed = NULL;

	places = pop3_policy_batch_row_places(batch, result, error_r);
	if (places == NULL)
		return -1;
	for (i = 0; i < pop3_policy_batch_rows(batch) && failed == NULL; i++) {
		row = places[i] - 1;
		T_BEGIN {
			if (pop3_policy_seal_add_text(seal,
				pop3_policy_db_result_get(result, row, 1),
				pop3_policy_db_result_get(result, row, 2),
				pop3_policy_db_result_get(result, row, 3),
				&error) < 0)
				failed = i_strdup(error);
		} T_END;
	}
	if (failed == NULL)
		return 0;
	*error_r = t_strdup(failed);
	i_free(failed);
	return -1;
}

static const char *pop3_policy_bytea(const void *data, size_t size)
{
	string_t *str = t_str_new(2 * size + 3);

	str_append(str, "\\x");
	binary_to_hex_append(str, data, size);
	return str_c(str);
}

static void
pop3_policy_batch_seal_callback(struct pop3_policy_db_result *result,
				void *context)
{
	pop3_policy_batch_note_seal_failure(context, result);
}

static void pop3_policy_batch_send_seal(struct pop3_policy_batch *batch,
					const struct pop3_policy_seal *seal)
{
	struct pop3_policy_writer *writer = batch->writer;
	const char *params[] = {
		pop3_policy_chain_id_get(writer->chain),
		t_strdup_printf("%"PRId64, batch->first_seq),
		t_strdup_printf("%"PRId64, batch->last_seq),
		pop3_policy_chain_mac_key_id(seal->mac),
		pop3_policy_bytea(seal->prev_mac, sizeof(seal->prev_mac)),
		pop3_policy_bytea(seal->salts->data, seal->salts->used),
		pop3_policy_bytea(seal->digests->data, seal->digests->used),
		pop3_policy_bytea(seal->macs->data, seal->macs->used),
	};

	memcpy(batch->last_mac, seal->last_mac, sizeof(batch->last_mac));
	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_CHAIN_SEAL, params,
			    pop3_policy_batch_seal_callback, batch);
}

static void pop3_policy_batch_seal(struct pop3_policy_batch *batch,
				   const struct pop3_policy_db_result *result)
{
	struct pop3_policy_writer *writer = batch->writer;
	const char *chain_id = pop3_policy_chain_id_get(writer->chain);
	struct pop3_policy_seal seal;
	const char *error;
	guid_128_t id;

	if (guid_128_from_uuid_string(chain_id, id) < 0)
		i_panic("Chain id %s is no UUID", chain_id);
	pop3_policy_seal_begin(&seal, pop3_policy_key_current(writer->key), id,
			       batch->first_seq, pop3_policy_batch_rows(batch),
			       batch->last_mac);
	if (pop3_policy_batch_seal_rows(batch, result, &seal, &error) < 0) {
		/* no reason to refuse mail: it is written all the same, and
		   verify will say that it is not sealed */
		e_error(batch->event, "Rows %"PRId64" to %"PRId64" of chain "
			"%s cannot be sealed: %s", batch->first_seq,
			batch->last_seq, chain_id, error);
	} else {
		pop3_policy_batch_send_seal(batch, &seal);
	}
	pop3_policy_seal_end(&seal);
}

/* --- its rows --- */

static void
pop3_policy_batch_rows_callback(struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_batch *batch = context;
	struct pop3_policy_writer *writer = batch->writer;

	switch (pop3_policy_db_result_status(result)) {
	case POP3_POLICY_DB_OK:
		pop3_policy_batch_seal(batch, result);
		break;
	case POP3_POLICY_DB_ERROR:
		pop3_policy_batch_note_seal_failure(batch, result);
		break;
	case POP3_POLICY_DB_ABORTED:
		break;
	case POP3_POLICY_DB_LOST:
		return;
	}
	pop3_policy_batch_end(batch);
	pop3_policy_writer_send(writer);
}

void pop3_policy_batch_send_rows(struct pop3_policy_batch *batch)
{
	struct pop3_policy_writer *writer = batch->writer;
	const struct pop3_policy_record *record;
	string_t *sessions = pop3_policy_array_begin();
	string_t *started = pop3_policy_array_begin();
	const char *params[] = {
		pop3_policy_chain_id_get(writer->chain),
		t_strdup_printf("%"PRId64, batch->first_seq),
		t_strdup_printf("%"PRId64, batch->last_seq),
		NULL, NULL, NULL
	};
	const char *id, *time, *plain;
	int64_t time_from, from = -1;

	for (record = batch->records.head; record != NULL;
	     record = record->next) {
		if (record->late && (from < 0 || record->time < from))
			from = record->time;
		plain = pop3_policy_plain_from(record);
		if (plain != NULL) {
			/* rounded down */
			time_from = (int64_t)(strtod(plain, NULL) * 1000000) - 1;
			if (from < 0 || time_from < from)
				from = time_from;
		}
		if (pop3_policy_record_session_key(record, &id, &time)) {
			pop3_policy_array_add_text(sessions, id);
			pop3_policy_array_add_text(started, time);
		}
	}
	if (from >= 0)
		params[3] = pop3_policy_record_time_text(from);
	params[4] = pop3_policy_array_end(sessions);
	params[5] = pop3_policy_array_end(started);
	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_CHAIN_ROWS, params,
			    pop3_policy_batch_rows_callback, batch);
	pop3_policy_db_flush(writer->db);
}
