/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "time-util.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-pool.h"

/* How long a request waits for a connection that is being made. */
#define POP3_POLICY_POOL_GRACE_MSECS 1000
/* From so many outstanding statements on, each reader, requests are refused if
   the first of those waits for longer than a share (as a divisor) of
   query_timeout. What was sent cannot be taken back when its request times out,
   so the database would be kept busy with answers that nobody waits for. Many
   logins at one moment are no reason to refuse any. */
#define POP3_POLICY_POOL_MANY_OUTSTANDING 200
#define POP3_POLICY_POOL_LATE_SHARE 4
/* Least time between two log lines about statements that failed. */
#define POP3_POLICY_POOL_COMPLAIN_SECS 10

static const enum pop3_policy_stmt reader_stmts[] = {
	POP3_POLICY_STMT_NOW,
	POP3_POLICY_STMT_POLICY_ROWS,
	POP3_POLICY_STMT_MAILDROP_STATE,
	POP3_POLICY_STMT_TRACKED,
	POP3_POLICY_STMT_LEAVE_EXCESS,
	POP3_POLICY_STMT_TOLD_LEVEL,
	POP3_POLICY_STMT_EVICTABLE,
	POP3_POLICY_STMT_POLICY_VERSION,
	POP3_POLICY_STMT_NOTICES,
	POP3_POLICY_STMT_NOTICE_DUE,
	POP3_POLICY_STMT_PLAIN_WAITING,
	POP3_POLICY_STMT_ACCEPT_LOGIN,
	POP3_POLICY_STMT_DOWNLOAD_RESERVE,
};

struct pop3_policy_reader {
	struct pop3_policy_pool *pool;
	struct pop3_policy_db *db;
	char *role;
};

struct pop3_policy_pool_waiter {
	struct pop3_policy_pool_waiter *prev, *next;
	struct pop3_policy_pool *pool;
	struct timeout *to;
	pop3_policy_pool_callback_t *callback;
	void *context;
};

struct pop3_policy_pool {
	struct event *event;
	/* milliseconds */
	unsigned int query_timeout;
	ARRAY(struct pop3_policy_reader *) readers;
	bool writer_up;

	struct pop3_policy_pool_waiter *waiters_head, *waiters_tail;

	/* since when something is missing; logged is what was said of it */
	struct timeval down_since;
	bool down;
	bool down_logged;
	enum pop3_policy_db_failure logged_failure;
	bool was_up;

	time_t last_complaint;
	unsigned int complaints;

	/* NULL while removals by policy go on */
	char *stopped;
};

static bool pop3_policy_pool_has_reader(const struct pop3_policy_pool *pool)
{
	struct pop3_policy_reader *const *reader;

	array_foreach(&pool->readers, reader) {
		if (pop3_policy_db_is_connected((*reader)->db))
			return TRUE;
	}
	return FALSE;
}

bool pop3_policy_pool_is_ready(const struct pop3_policy_pool *pool)
{
	return pool->writer_up && pop3_policy_pool_has_reader(pool);
}

static void pop3_policy_pool_waiter_done(struct pop3_policy_pool_waiter *waiter,
					 bool ready)
{
	pop3_policy_pool_callback_t *callback = waiter->callback;
	void *context = waiter->context;

	pop3_policy_pool_wait_cancel(&waiter);
	callback(ready, context);
}

static void pop3_policy_pool_up(struct pop3_policy_pool *pool)
{
	int msecs;

	if (!pop3_policy_pool_is_ready(pool))
		return;
	if (pool->down) {
		msecs = timeval_diff_msecs(&ioloop_timeval, &pool->down_since);
		if (!pool->was_up)
			e_info(pool->event, "The database can be used");
		else if (pool->down_logged) {
			e_info(pool->event, "The database can be used again, "
			       "after %d.%d s", msecs / 1000,
			       msecs % 1000 / 100);
		}
	}
	pool->down = pool->down_logged = FALSE;
	pool->was_up = TRUE;
	while (pool->waiters_head != NULL && pop3_policy_pool_is_ready(pool))
		pop3_policy_pool_waiter_done(pool->waiters_head, TRUE);
}

static void pop3_policy_pool_down(struct pop3_policy_pool *pool,
				  enum pop3_policy_db_failure failure,
				  const char *error)
{
	if (!pool->down) {
		pool->down = TRUE;
		pool->down_since = ioloop_timeval;
	}
	if (pool->down_logged && pool->logged_failure == failure)
		return;
	pool->down_logged = TRUE;
	pool->logged_failure = failure;
	if (failure != POP3_POLICY_DB_FAILURE_SCHEMA) {
		e_error(pool->event, "The database cannot be used: nothing is "
			"removed for now, users whom this host knows work "
			"with what it knows, others are refused: %s", error);
		return;
	}
	e_error(pool->event, "The database's schema pop3 is missing, of "
		"another version, or not open to this login; logins and "
		"removals are refused until that is mended: %s. To upgrade "
		"it: psql -X -v ON_ERROR_STOP=1 -f "
		POP3_POLICY_SQL_DIR"/upgrade.sql, with the URI of a superuser "
		"or a member of pop3_owner. Where there is none: install.sql "
		"of the same directory", error);
}

static void pop3_policy_reader_connected(void *context)
{
	struct pop3_policy_reader *reader = context;

	pop3_policy_pool_up(reader->pool);
}

static void
pop3_policy_reader_disconnected(bool was_connected ATTR_UNUSED,
				enum pop3_policy_db_failure failure,
				const char *error, void *context)
{
	struct pop3_policy_reader *reader = context;

	/* one of several is missed by nobody */
	if (!pop3_policy_pool_has_reader(reader->pool))
		pop3_policy_pool_down(reader->pool, failure, error);
}

static const struct pop3_policy_db_vfuncs reader_vfuncs = {
	.connected = pop3_policy_reader_connected,
	.disconnected = pop3_policy_reader_disconnected,
};

void pop3_policy_pool_writer_up(struct pop3_policy_pool *pool)
{
	pool->writer_up = TRUE;
	pop3_policy_pool_up(pool);
}

void pop3_policy_pool_writer_down(struct pop3_policy_pool *pool,
				  enum pop3_policy_db_failure failure,
				  const char *error)
{
	pool->writer_up = FALSE;
	pop3_policy_pool_down(pool, failure, error);
}

struct pop3_policy_pool *
pop3_policy_pool_init(struct event *event_parent,
		      const struct pop3_policy_service_settings *set)
{
	struct pop3_policy_pool *pool;
	struct pop3_policy_reader *reader;
	struct pop3_policy_db_settings db_set;
	unsigned int i;

	pool = i_new(struct pop3_policy_pool, 1);
	pool->event = event_create(event_parent);
	pool->query_timeout = set->query_timeout;
	pool->down = TRUE;
	pool->down_since = ioloop_timeval;

	i_zero(&db_set);
	db_set.conninfo = set->connect;
	db_set.statement_timeout_msecs = set->query_timeout;
	db_set.lock_timeout_msecs = set->query_timeout;
	db_set.stall_msecs = set->query_timeout * 2;
	db_set.stmts = reader_stmts;
	db_set.stmt_count = N_ELEMENTS(reader_stmts);

	i_array_init(&pool->readers, set->reader_connections);
	for (i = 1; i <= set->reader_connections; i++) {
		reader = i_new(struct pop3_policy_reader, 1);
		reader->pool = pool;
		reader->role = i_strdup_printf("reader %u", i);
		db_set.role = reader->role;
		reader->db = pop3_policy_db_init(pool->event, &db_set,
						 &reader_vfuncs, reader);
		array_push_back(&pool->readers, &reader);
	}
	return pool;
}

void pop3_policy_pool_deinit(struct pop3_policy_pool **_pool)
{
	struct pop3_policy_pool *pool = *_pool;
	struct pop3_policy_reader *reader;

	*_pool = NULL;
	while (pool->waiters_head != NULL)
		pop3_policy_pool_waiter_done(pool->waiters_head, FALSE);
	array_foreach_elem(&pool->readers, reader) {
		pop3_policy_db_deinit(&reader->db);
		i_free(reader->role);
		i_free(reader);
	}
	array_free(&pool->readers);
	event_unref(&pool->event);
	i_free(pool->stopped);
	i_free(pool);
}

struct pop3_policy_db *pop3_policy_pool_reader(struct pop3_policy_pool *pool)
{
	struct pop3_policy_reader *reader;
	struct pop3_policy_db *best = NULL;

	array_foreach_elem(&pool->readers, reader) {
		if (pop3_policy_db_is_connected(reader->db) &&
		    (best == NULL || pop3_policy_db_outstanding(reader->db) <
				     pop3_policy_db_outstanding(best)))
			best = reader->db;
	}
	return best;
}

bool pop3_policy_pool_is_overloaded(struct pop3_policy_pool *pool)
{
	const struct pop3_policy_db *db = pop3_policy_pool_reader(pool);

	return db != NULL &&
		pop3_policy_db_outstanding(db) >=
		POP3_POLICY_POOL_MANY_OUTSTANDING &&
		pop3_policy_db_latency(db) >=
		pool->query_timeout / POP3_POLICY_POOL_LATE_SHARE;
}

bool pop3_policy_pool_is_away(const struct pop3_policy_pool *pool)
{
	return !pop3_policy_pool_is_ready(pool) &&
		timeval_diff_msecs(&ioloop_timeval, &pool->down_since) >=
		POP3_POLICY_POOL_GRACE_MSECS;
}

static bool pop3_policy_pool_is_hopeful(const struct pop3_policy_pool *pool)
{
	struct pop3_policy_reader *const *reader;

	if (timeval_diff_msecs(&ioloop_timeval, &pool->down_since) <
	    POP3_POLICY_POOL_GRACE_MSECS)
		return TRUE;
	array_foreach(&pool->readers, reader) {
		if (pop3_policy_db_is_connecting((*reader)->db))
			return TRUE;
	}
	return FALSE;
}

static void
pop3_policy_pool_waiter_timeout(struct pop3_policy_pool_waiter *waiter)
{
	pop3_policy_pool_waiter_done(waiter, FALSE);
}

struct pop3_policy_pool_waiter *
pop3_policy_pool_wait(struct pop3_policy_pool *pool,
		      pop3_policy_pool_callback_t *callback, void *context)
{
	struct pop3_policy_pool_waiter *waiter;
	bool ready = pop3_policy_pool_is_ready(pool);

	if (ready || !pop3_policy_pool_is_hopeful(pool)) {
		callback(ready, context);
		return NULL;
	}
	waiter = i_new(struct pop3_policy_pool_waiter, 1);
	waiter->pool = pool;
	waiter->callback = callback;
	waiter->context = context;
	waiter->to = timeout_add(POP3_POLICY_POOL_GRACE_MSECS,
				 pop3_policy_pool_waiter_timeout, waiter);
	DLLIST2_APPEND(&pool->waiters_head, &pool->waiters_tail, waiter);
	return waiter;
}

void pop3_policy_pool_wait_cancel(struct pop3_policy_pool_waiter **_waiter)
{
	struct pop3_policy_pool_waiter *waiter = *_waiter;

	*_waiter = NULL;
	DLLIST2_REMOVE(&waiter->pool->waiters_head,
		       &waiter->pool->waiters_tail, waiter);
	timeout_remove(&waiter->to);
	i_free(waiter);
}

void pop3_policy_pool_complain(struct pop3_policy_pool *pool,
			       const char *error)
{
	pool->complaints++;
	if (ioloop_time - pool->last_complaint <
	    POP3_POLICY_POOL_COMPLAIN_SECS)
		return;
	e_error(pool->event, "%u requests failed since the last such line, "
		"this one by: %s", pool->complaints, error);
	pool->last_complaint = ioloop_time;
	pool->complaints = 0;
}

void pop3_policy_pool_stopped(struct pop3_policy_pool *pool, const char *by)
{
	if (null_strcmp(pool->stopped, by) == 0)
		return;
	if (by == NULL) {
		e_info(pool->event, "Removals by policy go on");
	} else if (strcmp(by, "breaker") == 0) {
		e_error(pool->event, "The breaker stopped all removals by "
			"policy: they came to more of the site's messages "
			"within 24 hours than it allows. If that is wanted: "
			"doveadm pop3-policy confirm");
	} else {
		e_warning(pool->event, "Removals by policy are stopped by an "
			  "administrator. To end that: "
			  "doveadm pop3-policy resume");
	}
	i_free(pool->stopped);
	pool->stopped = i_strdup(by);
}

unsigned int
pop3_policy_writer_statement_msecs(const struct pop3_policy_service_settings *set)
{
	return set->query_timeout * 3;
}
