#ifndef POP3_POLICY_VERIFY_ROW_H
#define POP3_POLICY_VERIFY_ROW_H

/* Rows of pop3.audit, pop3.session and pop3.session_lost, in the order of chains
   and of the numbers within them. The database sorts them; that it did is
   checked. */

struct pop3_policy_verify_db;
struct pop3_policy_verify_rows;

enum pop3_policy_verify_table {
	POP3_POLICY_VERIFY_AUDIT = 0,
	POP3_POLICY_VERIFY_SESSION,
	POP3_POLICY_VERIFY_SESSION_LOST,

	POP3_POLICY_VERIFY_TABLES
};

struct pop3_policy_verify_row {
	struct pop3_policy_verify_row *next;
	unsigned char chain_id[16];
	int64_t seq;
	enum pop3_policy_verify_table table;
	/* of the audit `at', of sessions `started_at': microseconds since
	   1970 */
	int64_t at;
	/* of sessions how they ended */
	char event[32];
	/* canonical forms; of the public columns of the audit without `at',
	   which comes first */
	buffer_t *open, *personal;
	/* the personal columns are as pop3.forget_user() leaves them; the UUID
	   behind "forgotten-" in user name */
	bool bare;
	unsigned char forgotten[16];
};

struct pop3_policy_verify_span {
	/* microseconds since 1970; INT64_MIN and INT64_MAX for none */
	int64_t since, until;
	/* NULL for all */
	const char *chain_id;
};

/* Begin to read. Only rows that may belong to batches of the span are read,
   where it has a beginning or an end. */
struct pop3_policy_verify_rows *
pop3_policy_verify_rows_init(struct pop3_policy_verify_db *db,
			     const struct pop3_policy_verify_span *span);
void pop3_policy_verify_rows_deinit(struct pop3_policy_verify_rows **rows);

/* The next row, or NULL; it is not taken. */
const struct pop3_policy_verify_row *
pop3_policy_verify_rows_peek(struct pop3_policy_verify_rows *rows);
/* Take it. It is given back by _free(). */
struct pop3_policy_verify_row *
pop3_policy_verify_rows_take(struct pop3_policy_verify_rows *rows);
void pop3_policy_verify_rows_free(struct pop3_policy_verify_rows *rows,
				  struct pop3_policy_verify_row **row);

/* The rows of this number of the chain, whatever their time. A list of rows, each
   to be given back like those taken. */
struct pop3_policy_verify_row *
pop3_policy_verify_rows_find(struct pop3_policy_verify_rows *rows,
			     const unsigned char chain_id[STATIC_ARRAY 16],
			     int64_t seq);

/* "audit", "session", "session_lost" */
const char *pop3_policy_verify_table_name(enum pop3_policy_verify_table table);
/* Append the form of the row's public columns. at: this time instead of the
   row's own, where it is an audit row; NULL: its own. */
void pop3_policy_verify_row_public(const struct pop3_policy_verify_row *row,
				   const int64_t *at, buffer_t *dest);
/* 'A' or 'S' */
char pop3_policy_verify_row_kind(const struct pop3_policy_verify_row *row);
/* TRUE if both are the same row twice. */
bool pop3_policy_verify_row_equals(const struct pop3_policy_verify_row *row1,
				   const struct pop3_policy_verify_row *row2);

#endif
