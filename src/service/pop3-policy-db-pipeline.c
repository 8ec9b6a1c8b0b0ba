/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "llist.h"
#include "ioloop.h"
#include "pop3-policy-db-private.h"

#define POP3_POLICY_DB_SESSION_SETTINGS_SQL \
	"SELECT pg_catalog.set_config(name, setting, false) FROM (VALUES " \
	"('search_path', 'pg_catalog, pg_temp'), " \
	"('client_min_messages', 'warning'), " \
	"('default_transaction_isolation', 'read committed'), " \
	"('idle_in_transaction_session_timeout', '60s'), " \
	/* an intent that was answered must survive a crash of the server */ \
	"('synchronous_commit', CASE " \
	"pg_catalog.current_setting('synchronous_commit') " \
	"WHEN 'off' THEN 'on' " \
	"ELSE pg_catalog.current_setting('synchronous_commit') END), " \
	"('statement_timeout', $1::text), ('lock_timeout', $2::text)) " \
	"AS s (name, setting)"

static void pop3_policy_db_write(struct pop3_policy_db *db);

static void pop3_policy_db_stall_timeout(struct pop3_policy_db *db)
{
	pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT, t_strdup_printf(
		"no answer for %u seconds", db->set.stall_msecs / 1000));
}

static void pop3_policy_db_op_add(struct pop3_policy_db *db, bool sync,
				  pop3_policy_db_callback_t *callback,
				  void *context)
{
	struct pop3_policy_db_op *op;

	op = i_new(struct pop3_policy_db_op, 1);
	op->callback = callback;
	op->context = context;
	op->sync = sync;
	op->sent = ioloop_timeval;
	DLLIST2_APPEND(&db->ops_head, &db->ops_tail, op);
	if (db->op_count++ == 0) {
		i_assert(db->to_stall == NULL);
		db->to_stall = timeout_add_short(db->set.stall_msecs,
					   pop3_policy_db_stall_timeout, db);
	}
}

/* Remove the first op, then tell its owner, who may add others. */
static void pop3_policy_db_op_finish(struct pop3_policy_db *db,
				     enum pop3_policy_db_status status,
				     PGresult *res)
{
	struct pop3_policy_db_op *op = db->ops_head;
	struct pop3_policy_db_result *result;

	DLLIST2_REMOVE(&db->ops_head, &db->ops_tail, op);
	db->op_count--;
	if (db->op_count == 0)
		timeout_remove(&db->to_stall);
	else if (db->to_stall != NULL)
		timeout_reset(db->to_stall);

	result = pop3_policy_db_result_create(status, res);
	if (op->callback != NULL) T_BEGIN {
		op->callback(result, op->context);
	} T_END;
	pop3_policy_db_result_unref(&result);
	i_free(op);
}

void pop3_policy_db_ops_lost(struct pop3_policy_db *db)
{
	while (db->ops_head != NULL) {
		PQclear(db->ops_head->res);
		db->ops_head->res = NULL;
		pop3_policy_db_op_finish(db, POP3_POLICY_DB_LOST, NULL);
	}
}

/* An answer, other than a sync point, to the first op. */
static void pop3_policy_db_got_result(struct pop3_policy_db *db, PGresult *res)
{
	struct pop3_policy_db_op *op = db->ops_head;

	if (PQstatus(db->pg) == CONNECTION_BAD || op->sync ||
	    op->res != NULL) {
		/* An error outside of a statement: the server says goodbye, or
		   the commit itself failed. The state of the transaction is
		   best asked on a new connection. */
		const char *error = PQresultErrorMessage(res);

		pop3_policy_db_fail(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    *error == '\0' ?
				    pop3_policy_db_last_error(db) :
				    pop3_policy_db_one_line(error));
		PQclear(res);
		return;
	}
	op->res = res;
}

/* The end of the answer to the first op. */
static void pop3_policy_db_got_end(struct pop3_policy_db *db)
{
	enum pop3_policy_db_status status;
	PGresult *res = db->ops_head->res;

	db->ops_head->res = NULL;
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		status = POP3_POLICY_DB_OK;
		break;
	case PGRES_PIPELINE_ABORTED:
		status = POP3_POLICY_DB_ABORTED;
		break;
	default:
		status = POP3_POLICY_DB_ERROR;
		break;
	}
	pop3_policy_db_op_finish(db, status, res);
}

static void pop3_policy_db_read_results(struct pop3_policy_db *db)
{
	unsigned int nothing = 0;
	PGresult *res;

	while (db->ops_head != NULL && db->to_fail == NULL &&
	       PQisBusy(db->pg) == 0) {
		res = PQgetResult(db->pg);
		if (res == NULL) {
			/* ends the answer to a statement; also seen between
			   answers, then the next call brings the next one */
			if (db->ops_head->res != NULL) {
				pop3_policy_db_got_end(db);
				nothing = 0;
			} else if (++nothing > 1) {
				break;
			}
		} else if (PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
			pop3_policy_db_got_result(db, res);
			nothing = 0;
		} else {
			PQclear(res);
			if (db->ops_head->sync) {
				pop3_policy_db_op_finish(db, POP3_POLICY_DB_OK,
							 NULL);
			} else {
				pop3_policy_db_fail(db,
					POP3_POLICY_DB_FAILURE_TRANSIENT,
					"unexpected sync point");
			}
			nothing = 0;
		}
	}
}

static void pop3_policy_db_read_notifications(struct pop3_policy_db *db)
{
	PGnotify *notify;
	bool any = FALSE;

	while ((notify = PQnotifies(db->pg)) != NULL) {
		PQfreemem(notify);
		any = TRUE;
	}
	if (any && db->state == POP3_POLICY_DB_STATE_CONNECTED &&
	    db->to_fail == NULL && db->vfuncs.notified != NULL)
		db->vfuncs.notified(db->context);
}

static void pop3_policy_db_read(struct pop3_policy_db *db)
{
	if (PQconsumeInput(db->pg) == 0) {
		/* a last result may explain it better */
		const char *error = pop3_policy_db_last_error(db);

		pop3_policy_db_read_results(db);
		pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    error);
		return;
	}
	pop3_policy_db_read_results(db);
	pop3_policy_db_read_notifications(db);
	if (db->to_fail != NULL) {
		/* the descriptor may be closed already */
		pop3_policy_db_io_remove(db);
	} else if (PQstatus(db->pg) == CONNECTION_BAD) {
		pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
	} else if (db->io_write != NULL) {
		/* the server may have waited for us to read before it would
		   read on */
		pop3_policy_db_write(db);
	}
}

void pop3_policy_db_watch(struct pop3_policy_db *db)
{
	i_assert(db->io_read == NULL);
	db->io_fd = PQsocket(db->pg);
	db->io_read = io_add(db->io_fd, IO_READ, pop3_policy_db_read, db);
}

static void pop3_policy_db_write(struct pop3_policy_db *db)
{
	int ret = PQflush(db->pg);

	if (ret < 0) {
		pop3_policy_db_fail(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
		pop3_policy_db_io_remove(db);
	} else if (ret == 0) {
		io_remove(&db->io_write);
	} else if (db->io_write == NULL) {
		db->io_write = io_add(db->io_fd, IO_WRITE,
				      pop3_policy_db_write, db);
	}
}

static bool pop3_policy_db_can_send(struct pop3_policy_db *db)
{
	i_assert(db->state == POP3_POLICY_DB_STATE_PREPARING ||
		 db->state == POP3_POLICY_DB_STATE_CONNECTED);
	/* otherwise the op's callback will be called with LOST */
	return db->to_fail == NULL;
}

static void pop3_policy_db_sent(struct pop3_policy_db *db, int ret)
{
	if (ret == 0) {
		pop3_policy_db_fail(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
	}
}

void pop3_policy_db_send(struct pop3_policy_db *db, enum pop3_policy_stmt stmt,
			 const char *const *params,
			 pop3_policy_db_callback_t *callback, void *context)
{
	pop3_policy_db_op_add(db, FALSE, callback, context);
	if (!pop3_policy_db_can_send(db))
		return;
	pop3_policy_db_sent(db, PQsendQueryPrepared(
		db->pg, pop3_policy_stmt_info(stmt)->name,
		(int)pop3_policy_stmt_params(stmt), params, NULL, NULL, 0));
}

void pop3_policy_db_send_sql(struct pop3_policy_db *db, const char *sql,
			     unsigned int count, const char *const *params,
			     pop3_policy_db_callback_t *callback,
			     void *context)
{
	pop3_policy_db_op_add(db, FALSE, callback, context);
	if (!pop3_policy_db_can_send(db))
		return;
	pop3_policy_db_sent(db, PQsendQueryParams(db->pg, sql, (int)count,
						  NULL, params, NULL, NULL,
						  0));
}

void pop3_policy_db_flush(struct pop3_policy_db *db)
{
	if (!pop3_policy_db_can_send(db))
		return;
	pop3_policy_db_sent(db, PQsendFlushRequest(db->pg));
	if (db->to_fail == NULL)
		pop3_policy_db_write(db);
}

void pop3_policy_db_sync(struct pop3_policy_db *db,
			 pop3_policy_db_callback_t *callback, void *context)
{
	pop3_policy_db_op_add(db, TRUE, callback, context);
	if (!pop3_policy_db_can_send(db))
		return;
	/* it also tries to write out everything */
	pop3_policy_db_sent(db, PQpipelineSync(db->pg));
	if (db->to_fail == NULL)
		pop3_policy_db_write(db);
}

void pop3_policy_db_send_session_settings(struct pop3_policy_db *db,
					  pop3_policy_db_callback_t *callback,
					  void *context)
{
	const char *params[2];

	params[0] = t_strdup_printf("%ums", db->set.statement_timeout_msecs);
	params[1] = t_strdup_printf("%ums", db->set.lock_timeout_msecs);
	pop3_policy_db_op_add(db, FALSE, callback, context);
	pop3_policy_db_sent(db, PQsendQueryParams(
		db->pg, POP3_POLICY_DB_SESSION_SETTINGS_SQL,
		N_ELEMENTS(params), NULL, params, NULL, NULL, 0));
}

void pop3_policy_db_send_prepare(struct pop3_policy_db *db,
				 enum pop3_policy_stmt stmt,
				 pop3_policy_db_callback_t *callback,
				 void *context)
{
	pop3_policy_db_op_add(db, FALSE, callback, context);
	pop3_policy_db_sent(db, PQsendPrepare(
		db->pg, pop3_policy_stmt_info(stmt)->name,
		pop3_policy_stmt_sql(stmt), 0, NULL));
}
