#ifndef POP3_POLICY_DB_PRIVATE_H
#define POP3_POLICY_DB_PRIVATE_H

/* For pop3-policy-db.c (making and losing the connection),
   pop3-policy-db-pipeline.c (sending and receiving) and
   pop3-policy-db-result.c: together the only users of libpq. */

#include "pop3-policy-db.h"
#include <libpq-fe.h>

enum pop3_policy_db_state {
	POP3_POLICY_DB_STATE_CLOSED = 0,
	POP3_POLICY_DB_STATE_CONNECTING,
	POP3_POLICY_DB_STATE_PREPARING,
	POP3_POLICY_DB_STATE_CONNECTED
};

/* Something sent that will be answered. */
struct pop3_policy_db_op {
	struct pop3_policy_db_op *prev, *next;
	pop3_policy_db_callback_t *callback;
	void *context;
	struct timeval sent;
	/* the answer has come, its end has not */
	PGresult *res;
	bool sync:1;
};

struct pop3_policy_db {
	struct pop3_policy_db_settings set;
	struct pop3_policy_db_vfuncs vfuncs;
	void *context;
	struct event *event;
	/* of the connection, whose age is the connection's */
	struct event *conn_event;
	char *application_name;

	PGconn *pg;
	enum pop3_policy_db_state state;
	/* descriptor of io_read and io_write */
	int io_fd;
	struct io *io_read, *io_write;
	/* end of the attempt, or start of the next */
	struct timeout *to_connect;
	unsigned int backoff_msecs;
	struct timeout *to_stall;
	/* pop3_policy_db_fail() was called */
	struct timeout *to_fail;
	char *fail_error;
	enum pop3_policy_db_failure fail_failure;

	/* in the order of sending */
	struct pop3_policy_db_op *ops_head, *ops_tail;
	unsigned int op_count;
};

/* --- pop3-policy-db.c --- */

const char *pop3_policy_db_last_error(struct pop3_policy_db *db);
void pop3_policy_db_io_remove(struct pop3_policy_db *db);
/* Close now, call everything's callback, schedule the next attempt. Not to be
   called from a callback of a result: use pop3_policy_db_fail(). */
void pop3_policy_db_lost(struct pop3_policy_db *db,
			 enum pop3_policy_db_failure failure,
			 const char *error);

/* --- pop3-policy-db-pipeline.c --- */

/* Start to read answers. */
void pop3_policy_db_watch(struct pop3_policy_db *db);
void pop3_policy_db_send_session_settings(struct pop3_policy_db *db,
					  pop3_policy_db_callback_t *callback,
					  void *context);
void pop3_policy_db_send_prepare(struct pop3_policy_db *db,
				 enum pop3_policy_stmt stmt,
				 pop3_policy_db_callback_t *callback,
				 void *context);
/* Call all callbacks with LOST. */
void pop3_policy_db_ops_lost(struct pop3_policy_db *db);

/* --- pop3-policy-db-result.c --- */

/* Takes over res, which may be NULL. */
struct pop3_policy_db_result *
pop3_policy_db_result_create(enum pop3_policy_db_status status, PGresult *res);
/* libpq's messages have several lines. Allocated from the data stack. */
const char *pop3_policy_db_one_line(const char *text);

#endif
