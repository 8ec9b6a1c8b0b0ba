/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "pop3-policy-verify-db.h"

#include <libpq-fe.h>
#include <sysexits.h>
#include <time.h>

/* Stable since ever: the catalogs' numbers of built-in types. */
#define VERIFY_TYPE_BOOL 16
#define VERIFY_TYPE_INT8 20
#define VERIFY_TYPE_INT2 21
#define VERIFY_TYPE_INT4 23
#define VERIFY_TYPE_TIMESTAMPTZ 1184
#define VERIFY_TYPE_UUID 2950
#define VERIFY_TYPE_INT8MULTIRANGE 4536

/* of the binary form of a range */
#define VERIFY_RANGE_EMPTY 0x01
#define VERIFY_RANGE_LB_INC 0x02
#define VERIFY_RANGE_UB_INC 0x04
#define VERIFY_RANGE_LB_INF 0x08
#define VERIFY_RANGE_UB_INF 0x10

/* 2000-01-01, from where PostgreSQL counts */
#define VERIFY_EPOCH_USECS (INT64_C(946684800) * 1000000)

struct pop3_policy_verify_db {
	PGconn *conn;
	unsigned int last_cursor;
};

struct pop3_policy_verify_cursor {
	struct pop3_policy_verify_db *db;
	unsigned int number, fetch;
	PGresult *result;
	int row;
};

static const char *const verify_setup[] = {
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"SET LOCAL search_path = pg_catalog, pg_temp",
	/* a policy on rows is an error, not fewer rows */
	"SET LOCAL row_security = off",
	"SET LOCAL statement_timeout = 0",
	"SET LOCAL idle_in_transaction_session_timeout = 0",
	"SET LOCAL jit = off",
	/* all rows will be read */
	"SET LOCAL cursor_tuple_fraction = 1.0",
	"SET LOCAL work_mem = '64MB'",
};

static uint64_t verify_read_num(const unsigned char *data, size_t size)
{
	uint64_t num = 0;

	for (; size > 0; size--)
		num = num << 8 | *data++;
	return num;
}

static int64_t verify_read_signed(const unsigned char *data, size_t size)
{
	switch (size) {
	case 2:
		return (int16_t)verify_read_num(data, size);
	case 4:
		return (int32_t)verify_read_num(data, size);
	case 8:
		return (int64_t)verify_read_num(data, size);
	}
	i_fatal_status(EX_TEMPFAIL, "The database sent a number of %zu bytes",
		       size);
}

/* infinities stay what they are */
static int64_t verify_usecs(int64_t usecs)
{
	if (usecs == INT64_MAX || usecs == INT64_MIN)
		return usecs;
	return usecs + VERIFY_EPOCH_USECS;
}

static void ATTR_NORETURN
verify_db_fatal(struct pop3_policy_verify_db *db, const char *what)
{
	const char *error = PQerrorMessage(db->conn);

	i_fatal_status(EX_TEMPFAIL, "%s: %s", what,
		       t_str_rtrim(error, "\n"));
}

static PGresult *
verify_db_exec(struct pop3_policy_verify_db *db, const char *sql)
{
	PGresult *result = PQexecParams(db->conn, sql, 0, NULL, NULL, NULL,
					NULL, 1);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK)
		verify_db_fatal(db, "The database refused a question");
	return result;
}

struct pop3_policy_verify_db *
pop3_policy_verify_db_init(const char *conninfo, const char *user)
{
	const char *keywords[5], *values[5];
	struct pop3_policy_verify_db *db;
	unsigned int i, count = 0;

	keywords[count] = "dbname";
	values[count++] = conninfo;
	if (user != NULL) {
		keywords[count] = "user";
		values[count++] = user;
	}
	keywords[count] = "fallback_application_name";
	values[count++] = "pop3-policy verify";
	/* after the string: whatever it says */
	keywords[count] = "client_encoding";
	values[count++] = "UTF8";
	keywords[count] = values[count] = NULL;

	db = i_new(struct pop3_policy_verify_db, 1);
	db->conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(db->conn) != CONNECTION_OK)
		verify_db_fatal(db, "Cannot connect to the database");
	for (i = 0; i < N_ELEMENTS(verify_setup); i++)
		PQclear(verify_db_exec(db, verify_setup[i]));
	return db;
}

void pop3_policy_verify_db_deinit(struct pop3_policy_verify_db **_db)
{
	struct pop3_policy_verify_db *db = *_db;

	*_db = NULL;
	PQfinish(db->conn);
	i_free(db);
}

int64_t pop3_policy_verify_db_time(struct pop3_policy_verify_db *db,
				   const char *text)
{
	const char *values[] = { text };
	PGresult *result;
	int64_t usecs;

	result = PQexecParams(db->conn, "SELECT $1::timestamptz", 1, NULL,
			      values, NULL, NULL, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		i_fatal_status(EX_USAGE, "'%s' is no time: %s", text,
			       PQresultErrorField(result,
						  PG_DIAG_MESSAGE_PRIMARY));
	}
	usecs = verify_usecs(verify_read_signed((const unsigned char *)
				PQgetvalue(result, 0, 0), 8));
	PQclear(result);
	return usecs;
}

struct pop3_policy_verify_cursor *
pop3_policy_verify_cursor_init(struct pop3_policy_verify_db *db,
			       const char *sql, unsigned int fetch)
{
	struct pop3_policy_verify_cursor *cursor;

	cursor = i_new(struct pop3_policy_verify_cursor, 1);
	cursor->db = db;
	cursor->number = ++db->last_cursor;
	cursor->fetch = fetch;
	PQclear(verify_db_exec(db, t_strdup_printf(
		"DECLARE c%u NO SCROLL CURSOR FOR %s", cursor->number, sql)));
	return cursor;
}

void pop3_policy_verify_cursor_deinit(struct pop3_policy_verify_cursor **_cursor)
{
	struct pop3_policy_verify_cursor *cursor = *_cursor;

	*_cursor = NULL;
	PQclear(cursor->result);
	PQclear(verify_db_exec(cursor->db, t_strdup_printf(
		"CLOSE c%u", cursor->number)));
	i_free(cursor);
}

bool pop3_policy_verify_cursor_next(struct pop3_policy_verify_cursor *cursor)
{
	if (cursor->result != NULL &&
	    ++cursor->row < PQntuples(cursor->result))
		return TRUE;
	/* fewer than were asked for: there are no more */
	if (cursor->result != NULL &&
	    PQntuples(cursor->result) < (int)cursor->fetch)
		return FALSE;
	PQclear(cursor->result);
	cursor->result = verify_db_exec(cursor->db, t_strdup_printf(
		"FETCH %u FROM c%u", cursor->fetch, cursor->number));
	cursor->row = 0;
	return PQntuples(cursor->result) > 0;
}

/* --- columns --- */

const void *
pop3_policy_verify_column(const struct pop3_policy_verify_cursor *cursor,
			  unsigned int column, size_t *size_r)
{
	if (PQgetisnull(cursor->result, cursor->row, column) != 0) {
		*size_r = 0;
		return NULL;
	}
	*size_r = PQgetlength(cursor->result, cursor->row, column);
	return PQgetvalue(cursor->result, cursor->row, column);
}

bool pop3_policy_verify_column_num(
	const struct pop3_policy_verify_cursor *cursor, unsigned int column,
	int64_t *num_r)
{
	size_t size;
	const unsigned char *data =
		pop3_policy_verify_column(cursor, column, &size);

	*num_r = data == NULL ? 0 : verify_read_signed(data, size);
	return data != NULL;
}

bool pop3_policy_verify_column_time(
	const struct pop3_policy_verify_cursor *cursor, unsigned int column,
	int64_t *usecs_r)
{
	if (!pop3_policy_verify_column_num(cursor, column, usecs_r))
		return FALSE;
	*usecs_r = verify_usecs(*usecs_r);
	return TRUE;
}

const char *
pop3_policy_verify_column_text(const struct pop3_policy_verify_cursor *cursor,
			       unsigned int column)
{
	size_t size;

	return pop3_policy_verify_column(cursor, column, &size);
}

/* As int8multirange_out(). The server keeps them in canonical form: [) */
static const char *verify_multirange(const unsigned char *data, size_t size)
{
	const unsigned char *end = data + size;
	string_t *str = t_str_new(64);
	uint64_t i, count;

	if (size < 4)
		i_fatal_status(EX_TEMPFAIL, "The database sent a bad multirange");
	count = verify_read_num(data, 4);
	data += 4;
	str_append_c(str, '{');
	for (i = 0; i < count; i++) {
		const unsigned char *range;
		size_t range_size, pos = 1;
		unsigned char flags;

		if (end - data < 5 ||
		    (range_size = verify_read_num(data, 4)) < 1 ||
		    range_size > (size_t)(end - data) - 4)
			i_fatal_status(EX_TEMPFAIL,
				       "The database sent a bad multirange");
		range = data + 4;
		data = range + range_size;
		flags = range[0];
		if (i > 0)
			str_append_c(str, ',');
		str_append_c(str, (flags & VERIFY_RANGE_LB_INC) != 0 ?
			     '[' : '(');
		if ((flags & VERIFY_RANGE_LB_INF) == 0 &&
		    pos + 12 <= range_size) {
			str_printfa(str, "%"PRId64,
				    verify_read_signed(range + pos + 4, 8));
			pos += 12;
		}
		str_append_c(str, ',');
		if ((flags & VERIFY_RANGE_UB_INF) == 0 &&
		    pos + 12 <= range_size) {
			str_printfa(str, "%"PRId64,
				    verify_read_signed(range + pos + 4, 8));
		}
		str_append_c(str, (flags & VERIFY_RANGE_UB_INC) != 0 ?
			     ']' : ')');
	}
	str_append_c(str, '}');
	return str_c(str);
}

const char *
pop3_policy_verify_column_value(const struct pop3_policy_verify_cursor *cursor,
				unsigned int column)
{
	size_t size;
	const unsigned char *data =
		pop3_policy_verify_column(cursor, column, &size);

	if (data == NULL)
		return NULL;
	switch (PQftype(cursor->result, column)) {
	case VERIFY_TYPE_BOOL:
		return *data != 0 ? "t" : "f";
	case VERIFY_TYPE_INT2:
	case VERIFY_TYPE_INT4:
	case VERIFY_TYPE_INT8:
		return t_strdup_printf("%"PRId64,
				       verify_read_signed(data, size));
	case VERIFY_TYPE_TIMESTAMPTZ:
		return t_strdup_printf("%"PRId64, verify_usecs(
			verify_read_signed(data, size)));
	case VERIFY_TYPE_UUID:
		return pop3_policy_verify_uuid(data);
	case VERIFY_TYPE_INT8MULTIRANGE:
		return verify_multirange(data, size);
	default:
		return (const char *)data;
	}
}

const char *pop3_policy_verify_uuid(const unsigned char id[STATIC_ARRAY 16])
{
	string_t *str = t_str_new(40);
	unsigned int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			str_append_c(str, '-');
		str_printfa(str, "%02x", id[i]);
	}
	return str_c(str);
}

const char *pop3_policy_verify_time(int64_t usecs)
{
	time_t t;
	char buf[64];
	int64_t frac;

	if (usecs == INT64_MAX)
		return "infinity";
	if (usecs == INT64_MIN)
		return "-infinity";
	frac = usecs % 1000000;
	if (frac < 0)
		frac += 1000000;
	t = (time_t)((usecs - frac) / 1000000);
	if (strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", gmtime(&t)) == 0)
		return "?";
	return t_strdup_printf("%s.%06d", buf, (int)frac);
}
