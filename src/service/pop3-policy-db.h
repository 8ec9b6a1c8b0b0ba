#ifndef POP3_POLICY_DB_H
#define POP3_POLICY_DB_H

#include "pop3-policy-statements.h"

/* One PostgreSQL connection on Dovecot's ioloop, in libpq's pipeline mode:
   statements are sent without waiting for the answers of those before, and
   answers arrive by callback, in the order of sending. The connection is made
   again with back-off for as long as the object lives. */

struct pop3_policy_db;
struct pop3_policy_db_result;

enum pop3_policy_db_status {
	/* The statement succeeded; a sync point was reached. A statement's
	   work holds only once the sync after it has succeeded. */
	POP3_POLICY_DB_OK = 0,
	/* The statement failed; see error and sqlstate. */
	POP3_POLICY_DB_ERROR,
	/* A statement before it in the same transaction failed. */
	POP3_POLICY_DB_ABORTED,
	/* The connection was lost first; what became of it is unknown. */
	POP3_POLICY_DB_LOST
};

/* What a failure means for what comes next. */
enum pop3_policy_db_failure {
	/* May succeed when tried again: lock and serialization conflicts, lack
	   of resources, a lost connection. */
	POP3_POLICY_DB_FAILURE_TRANSIENT = 0,
	/* Somebody else holds a row for longer than lock_timeout. */
	POP3_POLICY_DB_FAILURE_LOCK,
	/* It took longer than statement_timeout; so it may again. */
	POP3_POLICY_DB_FAILURE_TIMEOUT,
	/* Schema, function or permission missing: a person has to act. */
	POP3_POLICY_DB_FAILURE_SCHEMA,
	/* Something else wrote to the same chain. */
	POP3_POLICY_DB_FAILURE_CHAIN,
	/* The values were refused; trying again cannot help. */
	POP3_POLICY_DB_FAILURE_DATA,
	/* Anything else: trying again may help, or may not. */
	POP3_POLICY_DB_FAILURE_UNKNOWN
};

struct pop3_policy_db_settings {
	/* libpq connection string or URI; "" means libpq's defaults */
	const char *conninfo;
	/* takes the place of the connection string's user; may be NULL */
	const char *user;
	/* "writer", "reader"...: for application_name and log lines */
	const char *role;
	/* server side limits; 0 = none */
	unsigned int statement_timeout_msecs;
	unsigned int lock_timeout_msecs;
	/* drop a connection on which an answer is due and nothing came for so
	   long */
	unsigned int stall_msecs;
	/* statements that are prepared */
	const enum pop3_policy_stmt *stmts;
	unsigned int stmt_count;
};

struct pop3_policy_db_vfuncs {
	/* The connection can be used. */
	void (*connected)(void *context);
	/* A connection was lost (was_connected) or an attempt failed. Called
	   after the callbacks of everything that was sent. The next attempt
	   is already scheduled. */
	void (*disconnected)(bool was_connected,
			     enum pop3_policy_db_failure failure,
			     const char *error, void *context);
	/* The server sent notifications (LISTEN). May be NULL. May send, but
	   not call _deinit(). */
	void (*notified)(void *context);
};

/* The result is freed after the callback unless it takes a reference. The
   callback may send, and call _fail(), but not _deinit(). */
typedef void
pop3_policy_db_callback_t(struct pop3_policy_db_result *result, void *context);

/* Returns 0 if libpq understands the connection string, -1 + *error_r if
   not. */
int pop3_policy_db_check_conninfo(const char *conninfo, const char **error_r);

/* Create, and start to connect from the ioloop. Strings and arrays in set must
   live as long as the object. */
struct pop3_policy_db *
pop3_policy_db_init(struct event *event_parent,
		    const struct pop3_policy_db_settings *set,
		    const struct pop3_policy_db_vfuncs *vfuncs, void *context);
/* Pending callbacks are called with LOST; the vfuncs are not called. */
void pop3_policy_db_deinit(struct pop3_policy_db **db);

bool pop3_policy_db_is_connected(const struct pop3_policy_db *db);
/* TRUE while an attempt is under way (not while waiting for the next). */
bool pop3_policy_db_is_connecting(const struct pop3_policy_db *db);
/* Number of statements sent and not answered. */
unsigned int pop3_policy_db_outstanding(const struct pop3_policy_db *db);
/* Milliseconds since the first of them was sent. */
unsigned int pop3_policy_db_latency(const struct pop3_policy_db *db);

/* Send a prepared statement. params has as many values as the statement;
   NULL is SQL NULL. They are copied. Nothing is answered before the next
   _sync() or _flush(). */
void pop3_policy_db_send(struct pop3_policy_db *db, enum pop3_policy_stmt stmt,
			 const char *const *params,
			 pop3_policy_db_callback_t *callback, void *context);
/* Send a statement that is not prepared, with count parameters $1... */
void pop3_policy_db_send_sql(struct pop3_policy_db *db, const char *sql,
			     unsigned int count, const char *const *params,
			     pop3_policy_db_callback_t *callback,
			     void *context);
/* Ask for the answers to what was sent so far, before the transaction ends. */
void pop3_policy_db_flush(struct pop3_policy_db *db);
/* End the implicit transaction of the statements since the last sync. The
   callback's result is OK when the end was reached, whether committed or rolled
   back: that is seen from the statements' results. */
void pop3_policy_db_sync(struct pop3_policy_db *db,
			 pop3_policy_db_callback_t *callback, void *context);
/* Drop the connection as if it had been lost, from the ioloop, and connect
   again. */
void pop3_policy_db_fail(struct pop3_policy_db *db,
			 enum pop3_policy_db_failure failure,
			 const char *error);

/* --- results --- */

void pop3_policy_db_result_ref(struct pop3_policy_db_result *result);
void pop3_policy_db_result_unref(struct pop3_policy_db_result **result);

enum pop3_policy_db_status
pop3_policy_db_result_status(const struct pop3_policy_db_result *result);
/* One line. Never NULL. */
const char *
pop3_policy_db_result_error(const struct pop3_policy_db_result *result);
/* The error as it was raised, and its hint, for whoever asked for this by hand:
   one line, never NULL. */
const char *
pop3_policy_db_result_message(const struct pop3_policy_db_result *result);
/* TRUE if the error is one of the values, or of a constraint. */
bool pop3_policy_db_result_is_refused(const struct pop3_policy_db_result *result);
/* TRUE if the role may not do it. */
bool pop3_policy_db_result_is_denied(const struct pop3_policy_db_result *result);
/* Meaning of a result that is not OK. */
enum pop3_policy_db_failure
pop3_policy_db_result_failure(const struct pop3_policy_db_result *result);
unsigned int
pop3_policy_db_result_rows(const struct pop3_policy_db_result *result);
/* Number of columns, also of a result without rows; and a column's name. */
unsigned int
pop3_policy_db_result_columns(const struct pop3_policy_db_result *result);
const char *
pop3_policy_db_result_column(const struct pop3_policy_db_result *result,
			     unsigned int column);
/* TRUE if the column's type is a whole number. */
bool pop3_policy_db_result_is_number(const struct pop3_policy_db_result *result,
				     unsigned int column);
/* NULL for SQL NULL, and for a row or column that is not there. */
const char *
pop3_policy_db_result_get(const struct pop3_policy_db_result *result,
			  unsigned int row, unsigned int column);

#endif
