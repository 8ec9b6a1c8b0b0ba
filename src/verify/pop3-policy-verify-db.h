#ifndef POP3_POLICY_VERIFY_DB_H
#define POP3_POLICY_VERIFY_DB_H

/* A connection that reads columns as they are stored, all in one snapshot. No
   function of the schema is called, no view is asked: what the database could be
   made to say by one that was replaced is not believed. Values come in
   PostgreSQL's binary form, which no setting of the server changes.

   Whatever fails here ends the program (EX_TEMPFAIL). */

struct pop3_policy_verify_db;
struct pop3_policy_verify_cursor;

struct pop3_policy_verify_db *
pop3_policy_verify_db_init(const char *conninfo, const char *user);
void pop3_policy_verify_db_deinit(struct pop3_policy_verify_db **db);

/* A time that an administrator wrote, as PostgreSQL understands it: microseconds
   since 1970. */
int64_t pop3_policy_verify_db_time(struct pop3_policy_verify_db *db,
				   const char *text);

/* Read the rows of a SELECT, fetch of them at a time. */
struct pop3_policy_verify_cursor *
pop3_policy_verify_cursor_init(struct pop3_policy_verify_db *db,
			       const char *sql, unsigned int fetch);
void pop3_policy_verify_cursor_deinit(struct pop3_policy_verify_cursor **cursor);
/* Go to the next row, or the first. Returns FALSE if there is none. */
bool pop3_policy_verify_cursor_next(struct pop3_policy_verify_cursor *cursor);

/* Columns of the row, valid until the next one. NULL for SQL NULL. */
const void *
pop3_policy_verify_column(const struct pop3_policy_verify_cursor *cursor,
			  unsigned int column, size_t *size_r);
/* Returns FALSE for SQL NULL. Numbers may have 2, 4 or 8 bytes. */
bool pop3_policy_verify_column_num(
	const struct pop3_policy_verify_cursor *cursor, unsigned int column,
	int64_t *num_r);
/* Microseconds since 1970. Returns FALSE for SQL NULL. */
bool pop3_policy_verify_column_time(
	const struct pop3_policy_verify_cursor *cursor, unsigned int column,
	int64_t *usecs_r);
/* Text, zero terminated by libpq. NULL for SQL NULL. */
const char *
pop3_policy_verify_column_text(const struct pop3_policy_verify_cursor *cursor,
			       unsigned int column);
/* A value in the text form that PostgreSQL gives it, by the column's type; times
   in microseconds since 1970. Allocated from the data stack. NULL for SQL
   NULL. */
const char *
pop3_policy_verify_column_value(const struct pop3_policy_verify_cursor *cursor,
				unsigned int column);

/* Allocated from the data stack. */
const char *pop3_policy_verify_uuid(const unsigned char id[STATIC_ARRAY 16]);
/* "2026-01-31 12:00:00.123456" (UTC). Allocated from the data stack. */
const char *pop3_policy_verify_time(int64_t usecs);

#endif
