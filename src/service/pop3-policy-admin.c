/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "pop3-policy-admin.h"
#include "pop3-policy-admin-statements.h"
#include "pop3-policy-db.h"
#include "pop3-policy-service-settings.h"

#define POP3_POLICY_ADMIN_USER "pop3_admin"
#define POP3_POLICY_ADMIN_IDLE_MSECS (60 * 1000)
#define POP3_POLICY_ADMIN_STATEMENT_MSECS (60 * 1000)
#define POP3_POLICY_ADMIN_LOCK_MSECS (10 * 1000)
#define POP3_POLICY_ADMIN_STALL_MSECS (65 * 1000)

/* For the history of policies, and the audit. Times that people write without a
   zone are UTC. Both hold as long as the transaction. */
#define POP3_POLICY_ADMIN_CALLER_SQL \
	"SELECT pg_catalog.set_config('pop3.caller', $1::text, true), " \
	"pg_catalog.set_config('TimeZone', 'UTC', true)"

struct pop3_policy_admin_call {
	struct pop3_policy_admin_call *prev, *next;
	struct pop3_policy_admin *admin;
	const struct pop3_policy_admin_stmt *stmt;
	pool_t pool;
	const char *caller;
	const char *params[POP3_POLICY_ADMIN_MAX_PARAMS];
	/* NULL if it was given up */
	pop3_policy_admin_callback_t *callback;
	void *context;
	/* its answer, while the end of the transaction has not come */
	struct pop3_policy_db_result *result;
	/* the connection calls back */
	bool sent;
};

struct pop3_policy_admin {
	struct event *event;
	const struct pop3_policy_service_settings *set;
	/* NULL while nobody needs it */
	struct pop3_policy_db *db;
	struct timeout *to_close;
	/* in the order of asking */
	struct pop3_policy_admin_call *calls, *calls_tail;
};

static void pop3_policy_admin_call_free(struct pop3_policy_admin_call *call)
{
	DLLIST2_REMOVE(&call->admin->calls, &call->admin->calls_tail, call);
	pop3_policy_db_result_unref(&call->result);
	pool_unref(&call->pool);
}

static void
pop3_policy_admin_call_finish(struct pop3_policy_admin_call *call,
			      const char *error)
{
	if (call->callback != NULL)
		call->callback(call->result, error, call->context);
	pop3_policy_admin_call_free(call);
}

static void pop3_policy_admin_close(struct pop3_policy_admin *admin)
{
	timeout_remove(&admin->to_close);
	if (admin->db != NULL)
		pop3_policy_db_deinit(&admin->db);
}

/* The connection cannot be ended from its own callbacks. */
static void pop3_policy_admin_close_in(struct pop3_policy_admin *admin,
				       unsigned int msecs)
{
	timeout_remove(&admin->to_close);
	admin->to_close = timeout_add_short(msecs, pop3_policy_admin_close,
					    admin);
}

static void
pop3_policy_admin_result(struct pop3_policy_db_result *result, void *context)
{
	struct pop3_policy_admin_call *call = context;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_LOST)
		return;
	pop3_policy_db_result_ref(result);
	call->result = result;
}

static void
pop3_policy_admin_synced(struct pop3_policy_db_result *result, void *context)
{
	struct pop3_policy_admin_call *call = context;
	struct pop3_policy_admin *admin = call->admin;

	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_OK) {
		pop3_policy_db_result_unref(&call->result);
		pop3_policy_admin_call_finish(call, "The connection to the "
			"database was lost: what was asked for may have been "
			"done, or not");
	} else {
		i_assert(call->result != NULL);
		pop3_policy_admin_call_finish(call, NULL);
	}
	if (admin->calls == NULL) {
		pop3_policy_admin_close_in(admin,
					   POP3_POLICY_ADMIN_IDLE_MSECS);
	}
}

static void pop3_policy_admin_call_send(struct pop3_policy_admin_call *call)
{
	struct pop3_policy_db *db = call->admin->db;
	const char *const *params = call->params;

	call->sent = TRUE;
	pop3_policy_db_send_sql(db, POP3_POLICY_ADMIN_CALLER_SQL, 1,
				&call->caller, NULL, NULL);
	pop3_policy_db_send_sql(db, pop3_policy_admin_stmt_sql(call->stmt),
				pop3_policy_admin_stmt_params(call->stmt),
				params, pop3_policy_admin_result, call);
	pop3_policy_db_sync(db, pop3_policy_admin_synced, call);
}

static void pop3_policy_admin_connected(void *context)
{
	struct pop3_policy_admin *admin = context;
	struct pop3_policy_admin_call *call, *next;

	for (call = admin->calls; call != NULL; call = next) {
		next = call->next;
		if (!call->sent)
			pop3_policy_admin_call_send(call);
	}
}

static void
pop3_policy_admin_disconnected(bool was_connected ATTR_UNUSED,
			       enum pop3_policy_db_failure failure ATTR_UNUSED,
			       const char *error, void *context)
{
	struct pop3_policy_admin *admin = context;
	struct pop3_policy_admin_call *call, *next;

	/* a person waits, and can try again */
	error = t_strdup_printf("The database cannot be asked: %s", error);
	for (call = admin->calls; call != NULL; call = next) {
		next = call->next;
		/* those that were sent have been called back as lost */
		i_assert(!call->sent);
		pop3_policy_admin_call_finish(call, error);
	}
	pop3_policy_admin_close_in(admin, 0);
}

static const struct pop3_policy_db_vfuncs admin_vfuncs = {
	.connected = pop3_policy_admin_connected,
	.disconnected = pop3_policy_admin_disconnected,
};

static void pop3_policy_admin_connect(struct pop3_policy_admin *admin)
{
	struct pop3_policy_db_settings db_set;

	i_zero(&db_set);
	db_set.conninfo = admin->set->admin_connect;
	if (*db_set.conninfo == '\0') {
		db_set.conninfo = admin->set->connect;
		db_set.user = POP3_POLICY_ADMIN_USER;
	}
	db_set.role = "admin";
	db_set.statement_timeout_msecs = POP3_POLICY_ADMIN_STATEMENT_MSECS;
	db_set.lock_timeout_msecs = POP3_POLICY_ADMIN_LOCK_MSECS;
	db_set.stall_msecs = POP3_POLICY_ADMIN_STALL_MSECS;
	admin->db = pop3_policy_db_init(admin->event, &db_set, &admin_vfuncs,
					admin);
}

struct pop3_policy_admin_call *
pop3_policy_admin_call(struct pop3_policy_admin *admin,
		       const struct pop3_policy_admin_stmt *stmt,
		       const char *caller, const char *const *params,
		       pop3_policy_admin_callback_t *callback, void *context)
{
	unsigned int i, count = pop3_policy_admin_stmt_params(stmt);
	struct pop3_policy_admin_call *call;
	pool_t pool;

	pool = pool_alloconly_create("pop3 policy admin call", 512);
	call = p_new(pool, struct pop3_policy_admin_call, 1);
	call->pool = pool;
	call->admin = admin;
	call->stmt = stmt;
	call->caller = p_strdup(pool, caller == NULL ? "" : caller);
	for (i = 0; i < count; i++)
		call->params[i] = p_strdup(pool, params[i]);
	call->callback = callback;
	call->context = context;
	DLLIST2_APPEND(&admin->calls, &admin->calls_tail, call);

	timeout_remove(&admin->to_close);
	if (admin->db == NULL)
		pop3_policy_admin_connect(admin);
	else if (pop3_policy_db_is_connected(admin->db))
		pop3_policy_admin_call_send(call);
	return call;
}

void pop3_policy_admin_call_abort(struct pop3_policy_admin_call **_call)
{
	struct pop3_policy_admin_call *call = *_call;
	struct pop3_policy_admin *admin = call->admin;

	*_call = NULL;
	call->callback = NULL;
	if (call->sent)
		return;
	pop3_policy_admin_call_free(call);
	if (admin->calls == NULL)
		pop3_policy_admin_close_in(admin, 0);
}

struct pop3_policy_admin *
pop3_policy_admin_init(struct event *event_parent,
		       const struct pop3_policy_service_settings *set)
{
	struct pop3_policy_admin *admin;

	admin = i_new(struct pop3_policy_admin, 1);
	admin->event = event_create(event_parent);
	admin->set = set;
	return admin;
}

void pop3_policy_admin_deinit(struct pop3_policy_admin **_admin)
{
	struct pop3_policy_admin *admin = *_admin;
	struct pop3_policy_admin_call *call;

	*_admin = NULL;
	for (call = admin->calls; call != NULL; call = call->next)
		call->callback = NULL;
	/* frees those that were sent */
	pop3_policy_admin_close(admin);
	while (admin->calls != NULL)
		pop3_policy_admin_call_free(admin->calls);
	timeout_remove(&admin->to_close);
	event_unref(&admin->event);
	i_free(admin);
}
