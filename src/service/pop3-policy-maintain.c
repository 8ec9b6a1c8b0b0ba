/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "pop3-policy-db.h"
#include "pop3-policy-maintain.h"
#include "pop3-policy-service-settings.h"

#define POP3_POLICY_MAINTAIN_MSECS (3600 * 1000)
#define POP3_POLICY_MAINTAIN_STATEMENT_MSECS (60 * 1000)
#define POP3_POLICY_MAINTAIN_LOCK_MSECS 2000

static const enum pop3_policy_stmt maintain_stmts[] = {
	POP3_POLICY_STMT_MAINTAIN,
};

struct pop3_policy_maintain {
	struct event *event;
	/* the call's own, whose age is the time it takes */
	struct event *call_event;
	const struct pop3_policy_service_settings *set;
	/* NULL between the runs */
	struct pop3_policy_db *db;
	struct timeout *to;
};

static void pop3_policy_maintain_run(struct pop3_policy_maintain *maintain);

static void pop3_policy_maintain_stop(struct pop3_policy_maintain *maintain)
{
	timeout_remove(&maintain->to);
	pop3_policy_db_deinit(&maintain->db);
	maintain->to = timeout_add(POP3_POLICY_MAINTAIN_MSECS,
				   pop3_policy_maintain_run, maintain);
}

static void
pop3_policy_maintain_result(struct pop3_policy_maintain *maintain,
			    const struct pop3_policy_db_result *result)
{
	struct event_passthrough *e =
		event_create_passthrough(maintain->call_event)->
		set_name("pop3_policy_maintain_finished");
	const char *made, *strays, *error;

	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_OK) {
		error = pop3_policy_db_result_error(result);
		e->add_str("error", error);
		e_error(e->event(), "pop3.maintain() failed, it is called "
			"again in an hour: %s", error);
		return;
	}
	made = pop3_policy_db_result_get(result, 0, 0);
	strays = pop3_policy_db_result_get(result, 0, 1);
	e->add_str("partitions", made)->add_str("strays", strays);
	if (null_strcmp(strays, "0") != 0) {
		e_warning(e->event(), "%s rows are in the default partitions "
			"of pop3.audit and pop3.session, where reports are "
			"slow: was no service running for two weeks, or is a "
			"clock wrong?", strays == NULL ? "?" : strays);
	} else {
		e_debug(e->event(), "pop3.maintain() made %s partitions",
			made == NULL ? "?" : made);
	}
}

static void
pop3_policy_maintain_callback(struct pop3_policy_db_result *result,
			      void *context)
{
	struct pop3_policy_maintain *maintain = context;

	/* once the connection is back it is called again */
	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_LOST)
		return;
	if (pop3_policy_db_result_failure(result) ==
	    POP3_POLICY_DB_FAILURE_SCHEMA) {
		/* as is said of the other connections; until it is mended */
		pop3_policy_db_fail(maintain->db,
				    POP3_POLICY_DB_FAILURE_SCHEMA,
				    pop3_policy_db_result_error(result));
		return;
	}
	pop3_policy_maintain_result(maintain, result);
	/* the connection cannot be ended from its own callback */
	timeout_remove(&maintain->to);
	maintain->to = timeout_add_short(0, pop3_policy_maintain_stop,
					 maintain);
}

static void pop3_policy_maintain_connected(void *context)
{
	struct pop3_policy_maintain *maintain = context;

	event_unref(&maintain->call_event);
	maintain->call_event = event_create(maintain->event);
	pop3_policy_db_send(maintain->db, POP3_POLICY_STMT_MAINTAIN, NULL,
			    pop3_policy_maintain_callback, maintain);
	pop3_policy_db_sync(maintain->db, NULL, NULL);
}

static void
pop3_policy_maintain_disconnected(bool was_connected ATTR_UNUSED,
				  enum pop3_policy_db_failure failure
				  ATTR_UNUSED, const char *error ATTR_UNUSED,
				  void *context ATTR_UNUSED)
{
	/* the others complain; this one just tries again */
}

static const struct pop3_policy_db_vfuncs maintain_vfuncs = {
	.connected = pop3_policy_maintain_connected,
	.disconnected = pop3_policy_maintain_disconnected,
};

static void pop3_policy_maintain_run(struct pop3_policy_maintain *maintain)
{
	struct pop3_policy_db_settings db_set;

	timeout_remove(&maintain->to);
	i_zero(&db_set);
	db_set.conninfo = maintain->set->connect;
	db_set.role = "upkeep";
	db_set.statement_timeout_msecs = POP3_POLICY_MAINTAIN_STATEMENT_MSECS;
	db_set.lock_timeout_msecs = POP3_POLICY_MAINTAIN_LOCK_MSECS;
	db_set.stall_msecs = POP3_POLICY_MAINTAIN_STATEMENT_MSECS * 2;
	db_set.stmts = maintain_stmts;
	db_set.stmt_count = N_ELEMENTS(maintain_stmts);
	maintain->db = pop3_policy_db_init(maintain->event, &db_set,
					   &maintain_vfuncs, maintain);
}

struct pop3_policy_maintain *
pop3_policy_maintain_init(struct event *event_parent,
			  const struct pop3_policy_service_settings *set)
{
	struct pop3_policy_maintain *maintain;

	maintain = i_new(struct pop3_policy_maintain, 1);
	maintain->event = event_create(event_parent);
	maintain->set = set;
	pop3_policy_maintain_run(maintain);
	return maintain;
}

void pop3_policy_maintain_deinit(struct pop3_policy_maintain **_maintain)
{
	struct pop3_policy_maintain *maintain = *_maintain;

	*_maintain = NULL;
	timeout_remove(&maintain->to);
	if (maintain->db != NULL)
		pop3_policy_db_deinit(&maintain->db);
	event_unref(&maintain->call_event);
	event_unref(&maintain->event);
	i_free(maintain);
}
