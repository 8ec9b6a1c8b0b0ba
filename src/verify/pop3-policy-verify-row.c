/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "guid.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-chain-form.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-row.h"

#include <sysexits.h>

#define VERIFY_FETCH_ROWS 500

/* How much earlier than its batch a row may be dated: records are sent again
   for a day, and sessions are recorded at their end but dated by their start.
   What is older is looked for when it is missed. */
#define VERIFY_AUDIT_BEFORE_USECS (INT64_C(2) * 86400 * 1000000)
#define VERIFY_SESSION_BEFORE_USECS (INT64_C(8) * 86400 * 1000000)

#define VERIFY_FORGOTTEN "forgotten-"

/* before the columns of the forms */
#define VERIFY_COLUMN_CHAIN 0
#define VERIFY_COLUMN_SEQ 1
#define VERIFY_COLUMN_FIRST 2

struct verify_table {
	const char *name, *time_column, *event_column;
	char kind;
	/* the number of public columns that come first in the form and are
	   kept apart */
	unsigned int apart;
	int64_t before_usecs;
};

static const struct verify_table verify_tables[POP3_POLICY_VERIFY_TABLES] = {
	[POP3_POLICY_VERIFY_AUDIT] = {
		"audit", "at", "event", POP3_POLICY_CHAIN_KIND_AUDIT, 1,
		VERIFY_AUDIT_BEFORE_USECS },
	[POP3_POLICY_VERIFY_SESSION] = {
		"session", "started_at", "ended_by",
		POP3_POLICY_CHAIN_KIND_SESSION, 0,
		VERIFY_SESSION_BEFORE_USECS },
	[POP3_POLICY_VERIFY_SESSION_LOST] = {
		"session_lost", "started_at", "ended_by",
		POP3_POLICY_CHAIN_KIND_SESSION, 0,
		VERIFY_SESSION_BEFORE_USECS },
};

struct verify_source {
	struct pop3_policy_verify_cursor *cursor;
	enum pop3_policy_verify_table table;
	/* the next row; NULL if there is none left */
	struct pop3_policy_verify_row *row;
};

struct pop3_policy_verify_rows {
	struct pop3_policy_verify_db *db;
	struct verify_source sources[POP3_POLICY_VERIFY_TABLES];
	/* of those that are not in use */
	struct pop3_policy_verify_row *unused;
};

/* --- reading --- */

static struct pop3_policy_verify_row *
verify_row_new(struct pop3_policy_verify_rows *rows)
{
	struct pop3_policy_verify_row *row = rows->unused;

	if (row != NULL) {
		rows->unused = row->next;
		row->next = NULL;
		buffer_set_used_size(row->open, 0);
		buffer_set_used_size(row->personal, 0);
		return row;
	}
	row = i_new(struct pop3_policy_verify_row, 1);
	row->open = buffer_create_dynamic(default_pool, 512);
	row->personal = buffer_create_dynamic(default_pool, 512);
	return row;
}

static void verify_row_destroy(struct pop3_policy_verify_row *row)
{
	buffer_free(&row->open);
	buffer_free(&row->personal);
	i_free(row);
}

void pop3_policy_verify_rows_free(struct pop3_policy_verify_rows *rows,
				  struct pop3_policy_verify_row **_row)
{
	struct pop3_policy_verify_row *row = *_row;

	*_row = NULL;
	row->next = rows->unused;
	rows->unused = row;
}

static const char *const *verify_columns(enum pop3_policy_verify_table table,
					 bool personal)
{
	return pop3_policy_chain_form_columns(verify_tables[table].kind,
					      personal);
}

/* Whether a column says no more than pop3.forget_user() leaves; of the user
   name it makes one that is the same in all rows of his. */
static bool
verify_column_bare(struct pop3_policy_verify_row *row, const char *name,
		   const char *value)
{
	size_t len = strlen(VERIFY_FORGOTTEN);

	if (strcmp(name, "username") == 0) {
		return value != NULL &&
			strncmp(value, VERIFY_FORGOTTEN, len) == 0 &&
			guid_128_from_uuid_string(value + len,
						  row->forgotten) == 0;
	}
	if (value == NULL)
		return TRUE;
	/* the site's, a domain's or nobody's */
	return strcmp(name, "scope") == 0 &&
		(*value == '@' || strcmp(value, "*") == 0 ||
		 strncmp(value, "* ", 2) == 0 ||
		 strcmp(value, "built-in") == 0);
}

static void verify_row_read(struct pop3_policy_verify_row *row,
			    enum pop3_policy_verify_table table,
			    const struct pop3_policy_verify_cursor *cursor)
{
	const struct verify_table *info = &verify_tables[table];
	const char *const *names;
	unsigned int i, column = VERIFY_COLUMN_FIRST;
	const void *id;
	size_t size;

	id = pop3_policy_verify_column(cursor, VERIFY_COLUMN_CHAIN, &size);
	i_assert(size == sizeof(row->chain_id));
	memcpy(row->chain_id, id, sizeof(row->chain_id));
	if (!pop3_policy_verify_column_num(cursor, VERIFY_COLUMN_SEQ,
					   &row->seq))
		row->seq = INT64_MIN;
	row->table = table;
	row->event[0] = '\0';

	names = verify_columns(table, FALSE);
	for (i = 0; names[i] != NULL; i++, column++) T_BEGIN {
		const char *value =
			pop3_policy_verify_column_value(cursor, column);

		if (i >= info->apart)
			pop3_policy_chain_form_add(row->open, value);
		if (strcmp(names[i], info->time_column) == 0)
			(void)pop3_policy_verify_column_time(cursor, column,
							     &row->at);
		else if (strcmp(names[i], info->event_column) == 0 &&
			 i_strocpy(row->event, value,
				   sizeof(row->event)) < 0) {
			/* cut; only shown */
		}
	} T_END;
	row->bare = TRUE;
	names = verify_columns(table, TRUE);
	for (i = 0; names[i] != NULL; i++, column++) T_BEGIN {
		const char *value =
			pop3_policy_verify_column_value(cursor, column);

		pop3_policy_chain_form_add(row->personal, value);
		if (!verify_column_bare(row, names[i], value))
			row->bare = FALSE;
	} T_END;
}

static int verify_row_cmp(const struct pop3_policy_verify_row *row1,
			  const struct pop3_policy_verify_row *row2)
{
	int ret = memcmp(row1->chain_id, row2->chain_id,
			 sizeof(row1->chain_id));

	if (ret != 0)
		return ret;
	return row1->seq < row2->seq ? -1 : row1->seq > row2->seq ? 1 : 0;
}

static void verify_source_next(struct pop3_policy_verify_rows *rows,
			       struct verify_source *source)
{
	struct pop3_policy_verify_row *prev = source->row;

	source->row = NULL;
	if (!pop3_policy_verify_cursor_next(source->cursor))
		return;
	source->row = verify_row_new(rows);
	verify_row_read(source->row, source->table, source->cursor);
	if (prev != NULL && verify_row_cmp(prev, source->row) > 0) {
		i_fatal_status(EX_TEMPFAIL, "The database sends rows of "
			"pop3.%s in a wrong order",
			verify_tables[source->table].name);
	}
}

static const char *
verify_rows_sql(enum pop3_policy_verify_table table, const char *where,
		bool ordered)
{
	string_t *sql = t_str_new(512);
	const char *const *names;
	unsigned int i;

	str_append(sql, "SELECT r.chain_id, r.seq");
	for (i = 0; i < 2; i++) {
		for (names = verify_columns(table, i == 1); *names != NULL;
		     names++)
			str_printfa(sql, ", r.%s", *names);
	}
	str_printfa(sql, " FROM pop3.%s r WHERE r.chain_id IS NOT NULL%s",
		    verify_tables[table].name, where);
	if (ordered)
		str_append(sql, " ORDER BY r.chain_id, r.seq NULLS FIRST");
	return str_c(sql);
}

static const char *
verify_rows_where(enum pop3_policy_verify_table table,
		  const struct pop3_policy_verify_span *span)
{
	const struct verify_table *info = &verify_tables[table];
	string_t *where = t_str_new(128);

	if (span->chain_id != NULL)
		str_printfa(where, " AND r.chain_id = '%s'", span->chain_id);
	if (span->since != INT64_MIN) {
		str_printfa(where, " AND r.%s >= '%s+00'", info->time_column,
			    pop3_policy_verify_time(span->since -
						    info->before_usecs));
	}
	if (span->until != INT64_MAX) {
		str_printfa(where, " AND r.%s < '%s+00'", info->time_column,
			    pop3_policy_verify_time(span->until));
	}
	return str_c(where);
}

struct pop3_policy_verify_rows *
pop3_policy_verify_rows_init(struct pop3_policy_verify_db *db,
			     const struct pop3_policy_verify_span *span)
{
	struct pop3_policy_verify_rows *rows;
	unsigned int i;

	rows = i_new(struct pop3_policy_verify_rows, 1);
	rows->db = db;
	for (i = 0; i < POP3_POLICY_VERIFY_TABLES; i++) T_BEGIN {
		struct verify_source *source = &rows->sources[i];

		source->table = i;
		source->cursor = pop3_policy_verify_cursor_init(db,
			verify_rows_sql(i, verify_rows_where(i, span), TRUE),
			VERIFY_FETCH_ROWS);
		verify_source_next(rows, source);
	} T_END;
	return rows;
}

void pop3_policy_verify_rows_deinit(struct pop3_policy_verify_rows **_rows)
{
	struct pop3_policy_verify_rows *rows = *_rows;
	struct pop3_policy_verify_row *row;
	unsigned int i;

	*_rows = NULL;
	for (i = 0; i < POP3_POLICY_VERIFY_TABLES; i++) {
		pop3_policy_verify_cursor_deinit(&rows->sources[i].cursor);
		if (rows->sources[i].row != NULL)
			verify_row_destroy(rows->sources[i].row);
	}
	while ((row = rows->unused) != NULL) {
		rows->unused = row->next;
		verify_row_destroy(row);
	}
	i_free(rows);
}

static struct verify_source *
verify_rows_first(struct pop3_policy_verify_rows *rows)
{
	struct verify_source *source, *first = NULL;
	unsigned int i;

	for (i = 0; i < POP3_POLICY_VERIFY_TABLES; i++) {
		source = &rows->sources[i];
		if (source->row != NULL &&
		    (first == NULL ||
		     verify_row_cmp(source->row, first->row) < 0))
			first = source;
	}
	return first;
}

const struct pop3_policy_verify_row *
pop3_policy_verify_rows_peek(struct pop3_policy_verify_rows *rows)
{
	struct verify_source *source = verify_rows_first(rows);

	return source == NULL ? NULL : source->row;
}

struct pop3_policy_verify_row *
pop3_policy_verify_rows_take(struct pop3_policy_verify_rows *rows)
{
	struct verify_source *source = verify_rows_first(rows);
	struct pop3_policy_verify_row *row = source->row;

	verify_source_next(rows, source);
	return row;
}

struct pop3_policy_verify_row *
pop3_policy_verify_rows_find(struct pop3_policy_verify_rows *rows,
			     const unsigned char chain_id[STATIC_ARRAY 16],
			     int64_t seq)
{
	struct pop3_policy_verify_row *first = NULL, *row;
	struct pop3_policy_verify_cursor *cursor;
	unsigned int i;

	for (i = 0; i < POP3_POLICY_VERIFY_TABLES; i++) T_BEGIN {
		const char *where = t_strdup_printf(
			" AND r.chain_id = '%s' AND r.seq = %"PRId64,
			pop3_policy_verify_uuid(chain_id), seq);

		cursor = pop3_policy_verify_cursor_init(rows->db,
			verify_rows_sql(i, where, FALSE), 10);
		while (pop3_policy_verify_cursor_next(cursor)) {
			row = verify_row_new(rows);
			verify_row_read(row, i, cursor);
			row->next = first;
			first = row;
		}
		pop3_policy_verify_cursor_deinit(&cursor);
	} T_END;
	return first;
}

/* --- rows --- */

const char *pop3_policy_verify_table_name(enum pop3_policy_verify_table table)
{
	return verify_tables[table].name;
}

void pop3_policy_verify_row_public(const struct pop3_policy_verify_row *row,
				   const int64_t *at, buffer_t *dest)
{
	if (verify_tables[row->table].apart > 0) {
		pop3_policy_chain_form_add(dest, t_strdup_printf("%"PRId64,
			at != NULL ? *at : row->at));
	}
	buffer_append_buf(dest, row->open, 0, SIZE_MAX);
}

char pop3_policy_verify_row_kind(const struct pop3_policy_verify_row *row)
{
	return verify_tables[row->table].kind;
}

bool pop3_policy_verify_row_equals(const struct pop3_policy_verify_row *row1,
				   const struct pop3_policy_verify_row *row2)
{
	return pop3_policy_verify_row_kind(row1) ==
		pop3_policy_verify_row_kind(row2) && row1->at == row2->at &&
		buffer_cmp(row1->open, row2->open) &&
		buffer_cmp(row1->personal, row2->personal);
}
