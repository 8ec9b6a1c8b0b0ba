/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "llist.h"
#include "ioloop.h"
#include "str.h"
#include "time-util.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-db-private.h"

#include <stdlib.h>

/* How much libpq's socket may stay without acknowledgement. It also bounds the
   attempt to reach one of several hosts, since libpq moves on to the next one
   only when an attempt fails. Overridden by the connection string. */
#define POP3_POLICY_DB_TCP_USER_TIMEOUT "4000"
#define POP3_POLICY_DB_CONNECT_MSECS (15*1000)
#define POP3_POLICY_DB_DNS_WARN_MSECS 500
#define POP3_POLICY_DB_BACKOFF_MIN_MSECS 100
#define POP3_POLICY_DB_BACKOFF_MAX_MSECS 5000

static void pop3_policy_db_connect(struct pop3_policy_db *db);
static void pop3_policy_db_connect_poll(struct pop3_policy_db *db);

const char *pop3_policy_db_last_error(struct pop3_policy_db *db)
{
	const char *error = PQerrorMessage(db->pg);

	return error == NULL || *error == '\0' ? "connection closed" :
		pop3_policy_db_one_line(error);
}

static void pop3_policy_db_notice(void *context, const PGresult *res)
{
	struct pop3_policy_db *db = context;
	const char *severity =
		PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	T_BEGIN {
		text = text == NULL ? "" : pop3_policy_db_one_line(text);
		/* "57": the server is being stopped. The lost connection is
		   reported as such. */
		if (severity != NULL && strcmp(severity, "WARNING") == 0 &&
		    (state == NULL || !str_begins_with(state, "57")))
			e_warning(db->event, "%s", text);
		else
			e_debug(db->event, "%s", text);
	} T_END;
}

void pop3_policy_db_io_remove(struct pop3_policy_db *db)
{
	/* libpq closes the socket itself when it meets an error. The
	   descriptor is then gone from the kernel's poll set, too. */
	bool closed = db->pg == NULL || PQsocket(db->pg) != db->io_fd;

	if (closed) {
		io_remove_closed(&db->io_read);
		io_remove_closed(&db->io_write);
	} else {
		io_remove(&db->io_read);
		io_remove(&db->io_write);
	}
	db->io_fd = -1;
}

static void pop3_policy_db_schedule_connect(struct pop3_policy_db *db)
{
	unsigned int msecs = db->backoff_msecs;

	/* between half and the whole of it: a database that comes back is not
	   met by every host of a fleet at once */
	msecs = msecs / 2 + i_rand_limit(msecs / 2 + 1);
	db->to_connect = timeout_add_short(msecs, pop3_policy_db_connect, db);
	db->backoff_msecs = I_MIN(db->backoff_msecs * 2,
				  POP3_POLICY_DB_BACKOFF_MAX_MSECS);
}

static void pop3_policy_db_close(struct pop3_policy_db *db)
{
	pop3_policy_db_io_remove(db);
	timeout_remove(&db->to_connect);
	timeout_remove(&db->to_stall);
	timeout_remove(&db->to_fail);
	if (db->pg != NULL) {
		/* says goodbye if the socket takes it, does not wait */
		PQfinish(db->pg);
		db->pg = NULL;
	}
	db->state = POP3_POLICY_DB_STATE_CLOSED;
	pop3_policy_db_ops_lost(db);
}

/* The only way out of a connection, other than _deinit(). */
void pop3_policy_db_lost(struct pop3_policy_db *db,
			 enum pop3_policy_db_failure failure,
			 const char *error)
{
	bool was_connected = db->state == POP3_POLICY_DB_STATE_CONNECTED;
	struct event_passthrough *e;

	error = t_strdup(error);
	pop3_policy_db_close(db);

	if (was_connected) {
		e = event_create_passthrough(db->conn_event)->
			set_name("pop3_policy_db_disconnected")->
			add_str("role", db->set.role)->
			add_str("error", error);
		e_debug(e->event(), "Connection lost: %s", error);
	} else {
		e_debug(db->event, "Connecting failed: %s", error);
	}
	/* a missing schema does not come by itself within a second */
	if (failure == POP3_POLICY_DB_FAILURE_SCHEMA)
		db->backoff_msecs = POP3_POLICY_DB_BACKOFF_MAX_MSECS;
	pop3_policy_db_schedule_connect(db);
	db->vfuncs.disconnected(was_connected, failure, error, db->context);
}

static void pop3_policy_db_fail_timeout(struct pop3_policy_db *db)
{
	T_BEGIN {
		pop3_policy_db_lost(db, db->fail_failure,
				    t_strdup(db->fail_error));
	} T_END;
}

void pop3_policy_db_fail(struct pop3_policy_db *db,
			 enum pop3_policy_db_failure failure,
			 const char *error)
{
	if (db->state == POP3_POLICY_DB_STATE_CLOSED || db->to_fail != NULL)
		return;
	i_free(db->fail_error);
	db->fail_error = i_strdup(error);
	db->fail_failure = failure;
	db->to_fail = timeout_add_short(0, pop3_policy_db_fail_timeout, db);
	/* libpq may just have closed its socket, and something else may get
	   the same descriptor before the timeout comes */
	if (db->io_fd != -1)
		pop3_policy_db_io_remove(db);
}

static void pop3_policy_db_connect_timeout(struct pop3_policy_db *db)
{
	pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT, t_strdup_printf(
		"no connection within %u seconds",
		POP3_POLICY_DB_CONNECT_MSECS / 1000));
}

static void pop3_policy_db_connected(struct pop3_policy_db *db)
{
	struct event_passthrough *e;

	timeout_remove(&db->to_connect);
	db->state = POP3_POLICY_DB_STATE_CONNECTED;
	db->backoff_msecs = POP3_POLICY_DB_BACKOFF_MIN_MSECS;

	e = event_create_passthrough(db->conn_event)->
		set_name("pop3_policy_db_connected")->
		add_str("role", db->set.role)->
		add_int("server_version", PQserverVersion(db->pg));
	e_debug(e->event(), "Connected, server version %d",
		PQserverVersion(db->pg));
	db->vfuncs.connected(db->context);
}

static void
pop3_policy_db_prepare_callback(struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_db *db = context;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_ERROR &&
	    db->state == POP3_POLICY_DB_STATE_PREPARING) {
		pop3_policy_db_fail(db, pop3_policy_db_result_failure(result),
				    pop3_policy_db_result_error(result));
	}
}

static void
pop3_policy_db_prepared_callback(struct pop3_policy_db_result *result,
				 void *context)
{
	struct pop3_policy_db *db = context;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK &&
	    db->to_fail == NULL)
		pop3_policy_db_connected(db);
}

static void pop3_policy_db_prepare(struct pop3_policy_db *db)
{
	unsigned int i;

	db->state = POP3_POLICY_DB_STATE_PREPARING;
	pop3_policy_db_watch(db);
	pop3_policy_db_send_session_settings(db,
		pop3_policy_db_prepare_callback, db);
	for (i = 0; i < db->set.stmt_count; i++) {
		pop3_policy_db_send_prepare(db, db->set.stmts[i],
			pop3_policy_db_prepare_callback, db);
	}
	pop3_policy_db_sync(db, pop3_policy_db_prepared_callback, db);
}

static void pop3_policy_db_established(struct pop3_policy_db *db)
{
	if (PQserverVersion(db->pg) < 140000) {
		pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_SCHEMA, t_strdup_printf(
			"PostgreSQL 14 or newer is needed, the server has "
			"version number %d", PQserverVersion(db->pg)));
	} else if (PQsetnonblocking(db->pg, 1) < 0 ||
		   PQenterPipelineMode(db->pg) == 0) {
		pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
	} else {
		pop3_policy_db_prepare(db);
	}
}

static void pop3_policy_db_connect_poll(struct pop3_policy_db *db)
{
	PostgresPollingStatusType ret;

	/* before libpq may close the descriptor: with several hosts, or
	   without TLS after it was refused, it goes on with another one */
	pop3_policy_db_io_remove(db);

	ret = PQconnectPoll(db->pg);
	switch (ret) {
	case PGRES_POLLING_READING:
		db->io_fd = PQsocket(db->pg);
		db->io_read = io_add(db->io_fd, IO_READ,
				     pop3_policy_db_connect_poll, db);
		break;
	case PGRES_POLLING_WRITING:
		db->io_fd = PQsocket(db->pg);
		db->io_write = io_add(db->io_fd, IO_WRITE,
				      pop3_policy_db_connect_poll, db);
		break;
	case PGRES_POLLING_OK:
		pop3_policy_db_established(db);
		break;
	default:
		pop3_policy_db_lost(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
		break;
	}
}

static void pop3_policy_db_connect(struct pop3_policy_db *db)
{
	/* what stands before dbname is overridden by the connection string,
	   what comes after it overrides that */
	const char *const keywords[] = {
		"fallback_application_name", "tcp_user_timeout",
		"target_session_attrs", "dbname", "user", "client_encoding",
		NULL
	};
	const char *const values[] = {
		db->application_name, POP3_POLICY_DB_TCP_USER_TIMEOUT,
		/* a standby's state is older than what was removed since */
		getenv("PGTARGETSESSIONATTRS") == NULL ? "read-write" : NULL,
		db->set.conninfo, db->set.user, "UTF8", NULL
	};
	struct timeval start;
	int msecs;

	i_assert(db->pg == NULL);
	timeout_remove(&db->to_connect);
	event_unref(&db->conn_event);
	db->conn_event = event_create(db->event);

	/* This blocks while host names are resolved (libpq offers nothing
	   else): use addresses, hostaddr= or a unix socket where the resolver
	   is not local. It also reads the password, service and certificate
	   files. */
	io_loop_time_refresh();
	start = ioloop_timeval;
	db->pg = PQconnectStartParams(keywords, values, 1);
	if (db->pg == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "PQconnectStart: out of memory");
	io_loop_time_refresh();
	msecs = timeval_diff_msecs(&ioloop_timeval, &start);
	if (msecs > POP3_POLICY_DB_DNS_WARN_MSECS) {
		e_warning(db->event, "Starting to connect took %d.%03d s, in "
			  "which nothing else was served: resolving the "
			  "database's host name is slow",
			  msecs / 1000, msecs % 1000);
	}

	db->state = POP3_POLICY_DB_STATE_CONNECTING;
	PQsetNoticeReceiver(db->pg, pop3_policy_db_notice, db);
	db->to_connect = timeout_add(POP3_POLICY_DB_CONNECT_MSECS,
				     pop3_policy_db_connect_timeout, db);
	if (PQstatus(db->pg) == CONNECTION_BAD) {
		pop3_policy_db_fail(db, POP3_POLICY_DB_FAILURE_TRANSIENT,
				    pop3_policy_db_last_error(db));
		return;
	}
	db->io_fd = PQsocket(db->pg);
	db->io_write = io_add(db->io_fd, IO_WRITE,
			      pop3_policy_db_connect_poll, db);
}

struct pop3_policy_db *
pop3_policy_db_init(struct event *event_parent,
		    const struct pop3_policy_db_settings *set,
		    const struct pop3_policy_db_vfuncs *vfuncs, void *context)
{
	struct pop3_policy_db *db;

	db = i_new(struct pop3_policy_db, 1);
	db->set = *set;
	db->vfuncs = *vfuncs;
	db->context = context;
	db->io_fd = -1;
	db->backoff_msecs = POP3_POLICY_DB_BACKOFF_MIN_MSECS;
	db->application_name = i_strdup_printf("pop3-policy %s", set->role);
	db->event = event_create(event_parent);
	event_set_append_log_prefix(db->event,
		t_strdup_printf("database(%s): ", set->role));
	/* an attempt is under way from here on, for those who ask */
	db->state = POP3_POLICY_DB_STATE_CONNECTING;
	db->to_connect = timeout_add_short(0, pop3_policy_db_connect, db);
	return db;
}

void pop3_policy_db_deinit(struct pop3_policy_db **_db)
{
	struct pop3_policy_db *db = *_db;

	*_db = NULL;
	pop3_policy_db_close(db);
	event_unref(&db->conn_event);
	event_unref(&db->event);
	i_free(db->application_name);
	i_free(db->fail_error);
	i_free(db);
}

bool pop3_policy_db_is_connected(const struct pop3_policy_db *db)
{
	return db->state == POP3_POLICY_DB_STATE_CONNECTED &&
		db->to_fail == NULL;
}

bool pop3_policy_db_is_connecting(const struct pop3_policy_db *db)
{
	return db->state == POP3_POLICY_DB_STATE_CONNECTING ||
		db->state == POP3_POLICY_DB_STATE_PREPARING;
}

unsigned int pop3_policy_db_outstanding(const struct pop3_policy_db *db)
{
	return db->op_count;
}

unsigned int pop3_policy_db_latency(const struct pop3_policy_db *db)
{
	int msecs;

	if (db->ops_head == NULL)
		return 0;
	msecs = timeval_diff_msecs(&ioloop_timeval, &db->ops_head->sent);
	return msecs < 0 ? 0 : (unsigned int)msecs;
}
