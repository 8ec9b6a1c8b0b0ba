/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "guid.h"
#include "hash.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-verify.h"
#include "pop3-policy-verify-chain.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-print.h"
#include "pop3-policy-verify-unchained.h"

/* Seals may be large: an intent of 10,000 messages has one of 800 kB. */
#define VERIFY_FETCH_SEALS 20

/* between a chain's id and a number, in an event of retention */
#define VERIFY_UP_TO " up to seq "

struct verify_summary {
	unsigned char chain_id[16];
	struct pop3_policy_verify_counts counts;
};

struct verify_retention {
	unsigned char chain_id[16];
	int64_t seq;
};

/* Somebody who was forgotten, and the first row of his. */
struct verify_forgotten {
	guid_128_t id;
	unsigned char chain_id[16];
	int64_t seq, at;
	char event[32];
};

struct verify_run {
	struct pop3_policy_verify_db *db;
	const struct pop3_policy_verify_settings *set;
	struct pop3_policy_verify_rows *rows;
	struct pop3_policy_verify_report *report;
	ARRAY(struct pop3_policy_verify_head) heads;
	ARRAY(struct verify_retention) retention;
	ARRAY(struct verify_summary) summaries;
	/* as many as users that were forgotten, not as rows */
	HASH_TABLE(const uint8_t *, struct verify_forgotten *) forgotten;
	pool_t pool;

	struct pop3_policy_verify_cursor *seals;
	bool have_seal;
	struct pop3_policy_verify_seal seal;
};

static const char *verify_where_chain(const struct verify_run *run)
{
	return run->set->span.chain_id == NULL ? "" : t_strdup_printf(
		" AND r.chain_id = '%s'", run->set->span.chain_id);
}

static bool verify_wants_chain(const struct verify_run *run,
			       const unsigned char *chain_id)
{
	return run->set->span.chain_id == NULL ||
		strcmp(run->set->span.chain_id,
		       pop3_policy_verify_uuid(chain_id)) == 0;
}

static void
verify_column_id(const struct pop3_policy_verify_cursor *cursor,
		 unsigned int column, unsigned char *id_r)
{
	size_t size;
	const void *data = pop3_policy_verify_column(cursor, column, &size);

	i_assert(size == 16);
	memcpy(id_r, data, 16);
}

/* --- what is read first --- */

static void verify_read_heads(struct verify_run *run)
{
	struct pop3_policy_verify_cursor *cursor;
	struct pop3_policy_verify_head *head;
	const void *mac;
	size_t size;

	cursor = pop3_policy_verify_cursor_init(run->db, t_strconcat(
		"SELECT r.chain_id, r.last_seq, r.last_mac FROM pop3.chain r "
		"WHERE true", verify_where_chain(run),
		" ORDER BY r.chain_id", NULL), 1000);
	while (pop3_policy_verify_cursor_next(cursor)) {
		head = array_append_space(&run->heads);
		verify_column_id(cursor, 0, head->chain_id);
		(void)pop3_policy_verify_column_num(cursor, 1,
						    &head->last_seq);
		mac = pop3_policy_verify_column(cursor, 2, &size);
		head->have_mac = mac != NULL;
		if (size == sizeof(head->last_mac))
			memcpy(head->last_mac, mac, size);
	}
	pop3_policy_verify_cursor_deinit(&cursor);
}

/* "..., chain ID up to seq N, ..." */
static void verify_parse_retention(struct verify_run *run, const char *detail)
{
	struct verify_retention *add;
	const char *p = detail;
	guid_128_t id;
	int64_t seq;

	while ((p = strstr(p, "chain ")) != NULL) {
		p += strlen("chain ");
		if (strlen(p) < 36 ||
		    guid_128_from_uuid_string(t_strndup(p, 36), id) < 0 ||
		    strncmp(p + 36, VERIFY_UP_TO, strlen(VERIFY_UP_TO)) != 0 ||
		    str_parse_int64(p + 36 + strlen(VERIFY_UP_TO), &seq,
				    &p) < 0)
			continue;
		add = array_append_space(&run->retention);
		memcpy(add->chain_id, id, sizeof(id));
		add->seq = seq;
	}
}

static void verify_read_retention(struct verify_run *run)
{
	struct pop3_policy_verify_cursor *cursor;

	/* it has an index on user names: those without one are few */
	cursor = pop3_policy_verify_cursor_init(run->db,
		"SELECT a.detail FROM pop3.audit a "
		"WHERE a.username IS NULL AND a.event = 'retention'", 1000);
	while (pop3_policy_verify_cursor_next(cursor)) T_BEGIN {
		const char *detail =
			pop3_policy_verify_column_text(cursor, 0);

		if (detail != NULL)
			verify_parse_retention(run, detail);
	} T_END;
	pop3_policy_verify_cursor_deinit(&cursor);
}

static int64_t verify_retained_after(const struct verify_run *run,
				     const unsigned char *chain_id)
{
	const struct verify_retention *retention;
	int64_t seq = 0;

	array_foreach(&run->retention, retention) {
		if (memcmp(retention->chain_id, chain_id, 16) == 0)
			seq = I_MAX(seq, retention->seq);
	}
	return seq;
}

/* --- seals --- */

static const char *const verify_seal_columns =
	"r.chain_id, r.first_seq, r.last_seq, r.at, r.key_id, r.prev_mac, "
	"r.salts, r.digests, r.macs";

/* Returns FALSE, and reports it, if it is none that can be used. */
static bool verify_read_seal(struct verify_run *run,
			     const struct pop3_policy_verify_cursor *cursor,
			     struct pop3_policy_verify_seal *seal_r)
{
	struct pop3_policy_verify_seal *seal = seal_r;
	size_t n, sizes[4];

	verify_column_id(cursor, 0, seal->chain_id);
	(void)pop3_policy_verify_column_num(cursor, 1, &seal->first_seq);
	(void)pop3_policy_verify_column_num(cursor, 2, &seal->last_seq);
	(void)pop3_policy_verify_column_time(cursor, 3, &seal->at);
	seal->key_id = pop3_policy_verify_column_text(cursor, 4);
	seal->prev_mac = pop3_policy_verify_column(cursor, 5, &sizes[0]);
	seal->salts = pop3_policy_verify_column(cursor, 6, &sizes[1]);
	seal->digests = pop3_policy_verify_column(cursor, 7, &sizes[2]);
	seal->macs = pop3_policy_verify_column(cursor, 8, &sizes[3]);

	n = seal->last_seq - seal->first_seq + 1;
	if (seal->last_seq >= seal->first_seq && seal->first_seq > 0 &&
	    seal->last_seq - seal->first_seq < INT32_MAX &&
	    seal->key_id != NULL &&
	    sizes[0] == POP3_POLICY_CHAIN_MAC_SIZE &&
	    sizes[1] == n * POP3_POLICY_CHAIN_SALT_SIZE &&
	    sizes[2] == n * POP3_POLICY_CHAIN_DIGEST_SIZE &&
	    sizes[3] == n * POP3_POLICY_CHAIN_MAC_SIZE)
		return TRUE;
	/* a constraint keeps those out, unless it was taken away */
	(void)pop3_policy_verify_report_add(run->report, seal->chain_id,
		seal->first_seq, seal->last_seq,
		"altered: their seal, which has too much or too little");
	return FALSE;
}

static void verify_next_seal(struct verify_run *run)
{
	do {
		run->have_seal = pop3_policy_verify_cursor_next(run->seals);
	} while (run->have_seal &&
		 !verify_read_seal(run, run->seals, &run->seal));
}

/* The chain's last seal before the first of the span, or before its end where
   the span has none. */
static void verify_resume(struct verify_run *run,
			  struct pop3_policy_verify_chain *chain,
			  const unsigned char *chain_id)
{
	struct pop3_policy_verify_cursor *cursor;
	struct pop3_policy_verify_seal seal;
	string_t *sql = t_str_new(256);

	str_printfa(sql, "SELECT %s FROM pop3.seal r WHERE r.chain_id = '%s'",
		    verify_seal_columns, pop3_policy_verify_uuid(chain_id));
	if (run->have_seal && memcmp(run->seal.chain_id, chain_id, 16) == 0) {
		str_printfa(sql, " AND r.first_seq < %"PRId64,
			    run->seal.first_seq);
	}
	str_append(sql, " ORDER BY r.first_seq DESC LIMIT 1");
	cursor = pop3_policy_verify_cursor_init(run->db, str_c(sql), 1);
	if (pop3_policy_verify_cursor_next(cursor) &&
	    verify_read_seal(run, cursor, &seal))
		pop3_policy_verify_chain_resume(chain, &seal);
	pop3_policy_verify_cursor_deinit(&cursor);
}

static void verify_open_seals(struct verify_run *run)
{
	const struct pop3_policy_verify_span *span = &run->set->span;
	string_t *sql = t_str_new(256);

	str_printfa(sql, "SELECT %s FROM pop3.seal r WHERE true%s",
		    verify_seal_columns, verify_where_chain(run));
	if (span->since != INT64_MIN) {
		str_printfa(sql, " AND r.at >= '%s+00'",
			    pop3_policy_verify_time(span->since));
	}
	if (span->until != INT64_MAX) {
		str_printfa(sql, " AND r.at < '%s+00'",
			    pop3_policy_verify_time(span->until));
	}
	str_append(sql, " ORDER BY r.chain_id, r.first_seq");
	run->seals = pop3_policy_verify_cursor_init(run->db, str_c(sql),
						    VERIFY_FETCH_SEALS);
	verify_next_seal(run);
}

/* --- who was forgotten --- */

static void verify_erased(const struct pop3_policy_verify_row *row,
			  void *context)
{
	struct verify_run *run = context;
	struct verify_forgotten *forgotten;

	if (hash_table_lookup(run->forgotten,
			      (const uint8_t *)row->forgotten) != NULL)
		return;
	forgotten = p_new(run->pool, struct verify_forgotten, 1);
	memcpy(forgotten->id, row->forgotten, sizeof(forgotten->id));
	memcpy(forgotten->chain_id, row->chain_id,
	       sizeof(forgotten->chain_id));
	forgotten->seq = row->seq;
	forgotten->at = row->at;
	memcpy(forgotten->event, row->event, sizeof(forgotten->event));
	hash_table_insert(run->forgotten, (const uint8_t *)forgotten->id,
			  forgotten);
}

/* pop3.forget_user() leaves a row of its own, by the name that it gives. */
static bool verify_was_forgotten(struct verify_run *run,
				 const struct verify_forgotten *forgotten)
{
	struct pop3_policy_verify_cursor *cursor;
	bool found;

	cursor = pop3_policy_verify_cursor_init(run->db, t_strdup_printf(
		"SELECT a.at FROM pop3.audit a WHERE a.event = 'forgotten' "
		"AND a.username = 'forgotten-%s'",
		pop3_policy_verify_uuid(forgotten->id)), 1);
	found = pop3_policy_verify_cursor_next(cursor);
	pop3_policy_verify_cursor_deinit(&cursor);
	return found;
}

static void verify_check_forgotten(struct verify_run *run)
{
	struct pop3_policy_verify_finding *finding;
	struct hash_iterate_context *iter;
	struct verify_forgotten *forgotten;
	const uint8_t *id;

	iter = hash_table_iterate_init(run->forgotten);
	while (hash_table_iterate(iter, run->forgotten, &id,
				  &forgotten)) T_BEGIN {
		if (!verify_was_forgotten(run, forgotten)) {
			finding = pop3_policy_verify_report_add(run->report,
				forgotten->chain_id, forgotten->seq,
				forgotten->seq, "altered: erased, but not by "
				"pop3.forget_user(), as are all rows of user "
				"forgotten-%s",
				pop3_policy_verify_uuid(forgotten->id));
			if (finding != NULL) {
				finding->at = forgotten->at;
				memcpy(finding->event, forgotten->event,
				       sizeof(finding->event));
			}
		}
	} T_END;
	hash_table_iterate_deinit(&iter);
}

/* --- chains --- */

static struct pop3_policy_verify_checkpoints *
verify_open_checkpoints(struct verify_run *run, const unsigned char *chain_id)
{
	const struct pop3_policy_verify_checkpoint_file *file;
	struct pop3_policy_verify_checkpoints *checkpoints;
	const char *error;

	array_foreach(&run->set->checkpoint_files, file) {
		if (memcmp(file->chain_id, chain_id, 16) != 0)
			continue;
		if (pop3_policy_verify_checkpoints_open(file, &checkpoints,
							&error) == 0)
			return checkpoints;
		(void)pop3_policy_verify_report_add(run->report, chain_id, 0,
			0, "its checkpoints cannot be used: %s", error);
	}
	return NULL;
}

static void verify_chain(struct verify_run *run, const unsigned char *chain_id)
{
	struct pop3_policy_verify_chain_settings set;
	const struct pop3_policy_verify_head *head;
	struct pop3_policy_verify_chain *chain;
	struct verify_summary *summary;

	i_zero(&set);
	set.report = run->report;
	set.rows = run->rows;
	set.keys = run->set->keys;
	memcpy(set.chain_id, chain_id, sizeof(set.chain_id));
	array_foreach(&run->heads, head) {
		if (memcmp(head->chain_id, chain_id, 16) == 0)
			set.head = head;
	}
	set.checkpoints = verify_open_checkpoints(run, chain_id);
	set.retained_after = verify_retained_after(run, chain_id);
	set.has_since = run->set->span.since != INT64_MIN;
	set.since = run->set->span.since;
	set.has_until = run->set->span.until != INT64_MAX;
	set.erased = verify_erased;
	set.context = run;

	chain = pop3_policy_verify_chain_begin(&set);
	if (set.has_since) T_BEGIN {
		verify_resume(run, chain, set.chain_id);
	} T_END;
	while (run->have_seal &&
	       memcmp(run->seal.chain_id, set.chain_id, 16) == 0) {
		pop3_policy_verify_chain_seal(chain, &run->seal);
		verify_next_seal(run);
	}
	summary = array_append_space(&run->summaries);
	memcpy(summary->chain_id, set.chain_id, sizeof(summary->chain_id));
	pop3_policy_verify_chain_end(&chain, &summary->counts);
	if (set.checkpoints != NULL)
		pop3_policy_verify_checkpoints_close(&set.checkpoints);
}

static void verify_min(const unsigned char *id, const unsigned char *after,
		       const unsigned char **min)
{
	if ((after == NULL || memcmp(id, after, 16) > 0) &&
	    (*min == NULL || memcmp(id, *min, 16) < 0))
		*min = id;
}

/* The chain after this one, that anything is known of. */
static bool verify_next_chain(struct verify_run *run,
			      const unsigned char *after,
			      unsigned char *id_r)
{
	const struct pop3_policy_verify_checkpoint_file *file;
	const struct pop3_policy_verify_row *row =
		pop3_policy_verify_rows_peek(run->rows);
	const struct pop3_policy_verify_head *head;
	const unsigned char *min = NULL;

	if (row != NULL)
		verify_min(row->chain_id, after, &min);
	if (run->have_seal)
		verify_min(run->seal.chain_id, after, &min);
	array_foreach(&run->heads, head)
		verify_min(head->chain_id, after, &min);
	array_foreach(&run->set->checkpoint_files, file) {
		if (verify_wants_chain(run, file->chain_id))
			verify_min(file->chain_id, after, &min);
	}
	if (min == NULL)
		return FALSE;
	memcpy(id_r, min, 16);
	return TRUE;
}

/* --- the end --- */

static void verify_print_summary(struct verify_run *run,
				 const struct verify_summary *summary)
{
	const struct pop3_policy_verify_counts *counts = &summary->counts;
	struct pop3_policy_verify_line line;
	string_t *str = t_str_new(256);

	str_printfa(str, "%"PRIu64" rows verified in %"PRIu64" batches",
		    counts->verified, counts->seals);
	if (counts->erased > 0)
		str_printfa(str, ", %"PRIu64" of them erased", counts->erased);
	if (counts->unsealed > 0) {
		str_printfa(str, ", %"PRIu64" not sealed (seq %"PRId64" to "
			    "%"PRId64")", counts->unsealed,
			    counts->unsealed_first, counts->unsealed_last);
	}
	if (counts->dropped > 0) {
		str_printfa(str, ", %"PRIu64" dropped by retention",
			    counts->dropped);
	}
	if (counts->unknown_key > 0) {
		str_printfa(str, ", %"PRIu64" of unknown key",
			    counts->unknown_key);
	}
	str_printfa(str, ", %u found",
		    pop3_policy_verify_report_count(run->report,
						    summary->chain_id));
	i_zero(&line);
	memcpy(line.chain_id, summary->chain_id, sizeof(line.chain_id));
	line.result = "verified";
	line.text = str_c(str);
	pop3_policy_verify_print(&line, run->set->tab);
}

static void
verify_print_unchained(struct verify_run *run,
		       const struct pop3_policy_verify_unchained *unchained)
{
	struct pop3_policy_verify_line line;

	i_zero(&line);
	line.result = "waiting";
	line.text = t_strdup_printf("in no chain yet: %"PRIu64" rows of plain "
				    "SQL, %s to %s", unchained->count,
				    pop3_policy_verify_time(unchained->first),
				    pop3_policy_verify_time(unchained->last));
	pop3_policy_verify_print(&line, run->set->tab);
}

static unsigned int
verify_print(struct verify_run *run,
	     const struct pop3_policy_verify_unchained *unchained)
{
	const struct verify_summary *summary;
	unsigned int found =
		pop3_policy_verify_report_print(run->report, run->set->tab);

	array_foreach(&run->summaries, summary) T_BEGIN {
		verify_print_summary(run, summary);
	} T_END;
	if (unchained->count > 0)
		verify_print_unchained(run, unchained);
	return found;
}

unsigned int
pop3_policy_verify_run(struct pop3_policy_verify_db *db,
		       const struct pop3_policy_verify_settings *set)
{
	struct pop3_policy_verify_unchained unchained;
	struct verify_run run;
	unsigned char id[16];
	bool more;
	unsigned int found;

	i_zero(&run);
	run.db = db;
	run.set = set;
	i_array_init(&run.heads, 16);
	i_array_init(&run.retention, 16);
	i_array_init(&run.summaries, 16);
	run.pool = pool_alloconly_create("verify forgotten", 1024);
	hash_table_create(&run.forgotten, run.pool, 0, guid_128_hash,
			  guid_128_cmp);
	verify_read_heads(&run);
	verify_read_retention(&run);
	run.rows = pop3_policy_verify_rows_init(db, &set->span);
	run.report = pop3_policy_verify_report_init(run.rows);
	pop3_policy_verify_tables(db, run.report);
	verify_open_seals(&run);
	more = verify_next_chain(&run, NULL, id);
	while (more) T_BEGIN {
		verify_chain(&run, id);
		more = verify_next_chain(&run, id, id);
	} T_END;
	pop3_policy_verify_cursor_deinit(&run.seals);
	verify_check_forgotten(&run);
	pop3_policy_verify_unchained(db, run.report, &unchained);
	found = verify_print(&run, &unchained);

	pop3_policy_verify_report_deinit(&run.report);
	pop3_policy_verify_rows_deinit(&run.rows);
	hash_table_destroy(&run.forgotten);
	pool_unref(&run.pool);
	array_free(&run.heads);
	array_free(&run.retention);
	array_free(&run.summaries);
	return found;
}
