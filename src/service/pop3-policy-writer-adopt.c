/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The log of a service that is dead, and whose chain nobody goes on with: what is
   not written yet becomes ours. The lock on its chain's id is held meanwhile, and
   opening the chain in the database stops what a connection of the dead one may
   still have under way. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-log-read.h"
#include "pop3-policy-log.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-writer-private.h"

#include <sys/stat.h>

#define POP3_POLICY_ADOPT_MSECS 10000
/* Records that are copied in one write, and bytes of their parameters. */
#define POP3_POLICY_ADOPT_MAX_RECORDS 1000
#define POP3_POLICY_ADOPT_MAX_BYTES (4*1024*1024)

struct pop3_policy_writer_adopt {
	struct pop3_policy_writer *writer;
	struct timeout *to;
	/* being adopted; NULL while there is none */
	struct pop3_policy_chain_id *chain;
	struct pop3_policy_log *log;
	struct pop3_policy_db_result *result;
	bool sent;
	/* by number: the end of a log that has nothing for us */
	char *clean[POP3_POLICY_CHAIN_MAX + 1];
};

static void pop3_policy_adopt_close(struct pop3_policy_writer_adopt *adopt)
{
	pop3_policy_db_result_unref(&adopt->result);
	if (adopt->log != NULL)
		pop3_policy_log_close(&adopt->log);
	if (adopt->chain != NULL)
		pop3_policy_chain_id_close(&adopt->chain);
}

/* --- copying --- */

/* Append the copies to our log, and that they are copies: both or none. */
static int
pop3_policy_adopt_append(struct pop3_policy_writer_adopt *adopt,
			 struct pop3_policy_log_entry *entries,
			 unsigned int count, uint64_t last_id)
{
	struct pop3_policy_log_entry *adopted = &entries[count];

	i_zero(adopted);
	adopted->type = POP3_POLICY_LOG_ADOPTED;
	adopted->time = pop3_policy_writer_time(adopt->writer);
	adopted->chain_id = pop3_policy_chain_id_get(adopt->chain);
	adopted->id = last_id;
	return pop3_policy_log_append(adopt->writer->log.log, entries,
				      count + 1);
}

static size_t entry_bytes(const struct pop3_policy_log_entry *entry)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < entry->param_count; i++) {
		if (entry->params[i] != NULL)
			bytes += strlen(entry->params[i]);
	}
	return bytes;
}

/* What the reader gives stays only until it is called again. */
static struct pop3_policy_log_entry
pop3_policy_adopt_copy(pool_t pool, const struct pop3_policy_log_entry *entry)
{
	struct pop3_policy_log_entry copy = *entry;
	const char **params = p_new(pool, const char *, copy.param_count + 1);
	unsigned int i;

	for (i = 0; i < copy.param_count; i++)
		params[i] = p_strdup(pool, entry->params[i]);
	copy.params = params;
	copy.function = p_strdup(pool, entry->function);
	copy.username = p_strdup(pool, entry->username);
	return copy;
}

/* Copy the next records. Returns 1 if there are more, 0 at the end, -1 if our
   log cannot be written. */
static int
pop3_policy_adopt_some(struct pop3_policy_writer_adopt *adopt,
		       struct pop3_policy_log_reader *reader,
		       uint64_t after_id, ARRAY_TYPE(uint64_t) *ids)
{
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(adopt->log);
	uint64_t id = pop3_policy_log_next_id(adopt->writer->log.log);
	struct pop3_policy_log_entry entry, *entries;
	unsigned int count = 0;
	pool_t pool = pool_alloconly_create("pop3 policy adopt", 64 * 1024);
	size_t bytes = 0;
	uint64_t last_id = 0;
	bool more = TRUE;
	int ret = 0;

	entries = i_new(struct pop3_policy_log_entry,
			POP3_POLICY_ADOPT_MAX_RECORDS + 1);
	while (more && count < POP3_POLICY_ADOPT_MAX_RECORDS &&
	       bytes < POP3_POLICY_ADOPT_MAX_BYTES) T_BEGIN {
		more = pop3_policy_log_reader_next(reader, &entry);
		if (more && entry.type == POP3_POLICY_LOG_RECORD &&
		    entry.id > after_id &&
		    !pop3_policy_log_state_is_settled(state, entry.id)) {
			last_id = entry.id;
			array_push_back(ids, &last_id);
			bytes += entry_bytes(&entry);
			entries[count] = pop3_policy_adopt_copy(pool, &entry);
			entries[count].id = id++;
			entries[count++].copy_of = 0;
		}
	} T_END;
	if (count > 0)
		ret = pop3_policy_adopt_append(adopt, entries, count, last_id);
	i_free(entries);
	pool_unref(&pool);
	return ret < 0 ? -1 : more ? 1 : 0;
}

/* Say in the dead one's log that it has nothing to do any more. */
static void pop3_policy_adopt_done(struct pop3_policy_writer_adopt *adopt,
				   const ARRAY_TYPE(uint64_t) *ids)
{
	const uint64_t *list;
	unsigned int count;

	list = array_get(ids, &count);
	if (pop3_policy_log_append_done(adopt->log,
					pop3_policy_writer_time(adopt->writer),
					list, count) == 0)
		(void)pop3_policy_log_sync(adopt->log);
}

static void pop3_policy_adopt_records(struct pop3_policy_writer_adopt *adopt)
{
	struct pop3_policy_writer *writer = adopt->writer;
	const char *chain_id = pop3_policy_chain_id_get(adopt->chain);
	struct pop3_policy_log_reader *reader;
	ARRAY_TYPE(uint64_t) ids;
	const char *error;
	uint64_t after_id;
	int ret;

	after_id = pop3_policy_log_state_adopted(
		pop3_policy_log_get_state(writer->log.log), chain_id);
	if (pop3_policy_log_read_from(adopt->log, NULL, &reader,
				      &error) < 0) {
		e_error(writer->event, "%s", error);
		return;
	}
	t_array_init(&ids, 256);
	do {
		ret = pop3_policy_adopt_some(adopt, reader, after_id, &ids);
	} while (ret > 0);
	pop3_policy_log_reader_deinit(&reader);
	if (ret < 0 || pop3_policy_log_sync(writer->log.log) < 0)
		return;
	pop3_policy_adopt_done(adopt, &ids);
	e_info(writer->event, "Took over %u records that the service of chain "
	       "%s, which has ended, left in its log", array_count(&ids),
	       chain_id);
}

/* --- the dead one's chain --- */

static void
pop3_policy_adopt_opened(struct pop3_policy_writer_adopt *adopt,
			 const struct pop3_policy_db_result *result)
{
	struct pop3_policy_writer *writer = adopt->writer;
	const struct pop3_policy_log_state *state =
		pop3_policy_log_get_state(adopt->log);
	struct pop3_policy_log_entry entry;
	const char *error;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_OPEN;
	entry.time = pop3_policy_writer_time(writer);
	if (pop3_policy_writer_parse_head(result, &entry.head, &entry.epoch,
					  &error) < 0) {
		e_error(writer->event, "%s", error);
		return;
	}
	if (state->opened &&
	    !pop3_policy_log_state_is_ours(state, &entry.head, entry.epoch)) {
		/* whoever opens it for itself will find out why */
		e_warning(writer->event, "The log %s is left alone, since its "
			"chain stands elsewhere in the database",
			pop3_policy_log_get_dir(adopt->log));
		return;
	}
	if (pop3_policy_log_append(adopt->log, &entry, 1) < 0)
		return;
	if (state->unsettled > 0)
		pop3_policy_adopt_records(adopt);
}

static void
pop3_policy_adopt_callback(struct pop3_policy_db_result *result, void *context)
{
	struct pop3_policy_writer *writer = context;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK) {
		pop3_policy_db_result_ref(result);
		writer->adopt->result = result;
	}
}

static void
pop3_policy_adopt_sync_callback(struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_writer *writer = context;
	struct pop3_policy_writer_adopt *adopt = writer->adopt;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK &&
	    adopt->result != NULL)
		pop3_policy_adopt_opened(adopt, adopt->result);
	pop3_policy_writer_adopt_cancel(writer);
	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_OK)
		return;
	if (writer->log.reader == NULL)
		pop3_policy_writer_replay_begin(writer);
	pop3_policy_writer_flush(writer);
}

static void pop3_policy_adopt_open_chain(struct pop3_policy_writer_adopt *adopt)
{
	struct pop3_policy_writer *writer = adopt->writer;
	const char *params[] = {
		pop3_policy_chain_id_get(adopt->chain),
		t_strdup_printf("%u", POP3_POLICY_SCHEMA),
	};

	pop3_policy_db_send(writer->db, POP3_POLICY_STMT_CHAIN_OPEN, params,
			    pop3_policy_adopt_callback, writer);
	pop3_policy_db_sync(writer->db, pop3_policy_adopt_sync_callback,
			    writer);
}

/* --- looking for one --- */

/* The log's end: as long as that is the same nobody has written to it. */
static const char *pop3_policy_adopt_log_end(const char *dir)
{
	ARRAY_TYPE(pop3_policy_log_segment) segments;
	const char *path, *error;
	struct stat st;

	t_array_init(&segments, 64);
	if (pop3_policy_log_list(dir, &segments, &error) < 0 ||
	    array_count(&segments) == 0)
		return NULL;
	path = pop3_policy_log_path(dir, *array_back(&segments));
	if (stat(path, &st) < 0)
		return NULL;
	return t_strdup_printf("%s %"PRIuUOFF_T, path, (uoff_t)st.st_size);
}

/* Returns TRUE if the chain is free, and its log has something unsettled. */
static bool pop3_policy_adopt_try(struct pop3_policy_writer_adopt *adopt,
				  unsigned int number)
{
	struct pop3_policy_writer *writer = adopt->writer;
	const char *id, *end, *error;

	if (pop3_policy_chain_id_take(writer->set->state_dir, number,
				      &adopt->chain, &error) <= 0)
		return FALSE;
	id = pop3_policy_chain_id_get(adopt->chain);
	end = pop3_policy_adopt_log_end(
		pop3_policy_log_dir(writer->set->state_dir, id));
	if (end == NULL || null_strcmp(adopt->clean[number], end) == 0) {
		pop3_policy_adopt_close(adopt);
		return FALSE;
	}
	i_free(adopt->clean[number]);
	if (pop3_policy_log_open(writer->event, writer->set->state_dir, id,
				 writer->set->log_keep, &adopt->log,
				 &error) < 0) {
		e_error(writer->event, "%s", error);
	} else if (pop3_policy_log_get_state(adopt->log)->unsettled > 0) {
		return TRUE;
	}
	adopt->clean[number] = i_strdup(end);
	pop3_policy_adopt_close(adopt);
	return FALSE;
}

void pop3_policy_writer_adopt_look(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_adopt *adopt = writer->adopt;
	unsigned int i;
	bool found = FALSE;

	if (writer->state != POP3_POLICY_WRITER_OPEN || adopt->chain != NULL ||
	    !pop3_policy_writer_is_accepting(writer))
		return;
	for (i = 1; i <= POP3_POLICY_CHAIN_MAX && !found; i++) T_BEGIN {
		found = pop3_policy_adopt_try(adopt, i);
	} T_END;
	if (found) {
		writer->adopting = TRUE;
		pop3_policy_writer_send(writer);
	}
}

void pop3_policy_writer_adopt_more(struct pop3_policy_writer *writer)
{
	/* nothing of ours may be under way */
	if (writer->adopting && !writer->adopt->sent &&
	    writer->state == POP3_POLICY_WRITER_OPEN &&
	    writer->batch_count == 0 && !writer->failing &&
	    writer->log.reader == NULL &&
	    pop3_policy_db_is_connected(writer->db)) {
		writer->adopt->sent = TRUE;
		pop3_policy_adopt_open_chain(writer->adopt);
	}
}

void pop3_policy_writer_adopt_cancel(struct pop3_policy_writer *writer)
{
	writer->adopting = FALSE;
	writer->adopt->sent = FALSE;
	pop3_policy_adopt_close(writer->adopt);
}

void pop3_policy_writer_adopt_init(struct pop3_policy_writer *writer)
{
	writer->adopt = i_new(struct pop3_policy_writer_adopt, 1);
	writer->adopt->writer = writer;
	writer->adopt->to = timeout_add(POP3_POLICY_ADOPT_MSECS,
					pop3_policy_writer_adopt_look, writer);
}

void pop3_policy_writer_adopt_deinit(struct pop3_policy_writer *writer)
{
	struct pop3_policy_writer_adopt *adopt = writer->adopt;
	unsigned int i;

	pop3_policy_adopt_close(adopt);
	timeout_remove(&adopt->to);
	for (i = 0; i < N_ELEMENTS(adopt->clean); i++)
		i_free(adopt->clean[i]);
	i_free(writer->adopt);
}
