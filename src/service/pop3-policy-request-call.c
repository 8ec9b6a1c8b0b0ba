/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* CALL: an administrator's call of an SQL function. */

#include "lib.h"
#include "str.h"
#include "pop3-policy-admin.h"
#include "pop3-policy-admin-statements.h"
#include "pop3-policy-client.h"
#include "pop3-policy-db.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-state-cache.h"

#define POP3_POLICY_CALL_MAX_CALLER 200

static void
pop3_policy_call_reply(struct pop3_policy_request *request,
		       const struct pop3_policy_db_result *result)
{
	unsigned int i, j, columns = pop3_policy_db_result_columns(result);
	unsigned int rows = pop3_policy_db_result_rows(result);
	string_t *names = t_str_new(128), *numbers = t_str_new(128);
	string_t *reply;

	if (rows > POP3_POLICY_MAX_ITEMS) {
		pop3_policy_request_fail(request, "invalid", t_strdup_printf(
			"There are %u rows, more than %u cannot be shown: ask "
			"for fewer", rows, POP3_POLICY_MAX_ITEMS));
		return;
	}
	for (i = 0; i < columns; i++) {
		const char *name = pop3_policy_db_result_column(result, i);

		str_printfa(names, "%s%s", i == 0 ? "" : ",", name);
		if (pop3_policy_db_result_is_number(result, i)) {
			str_printfa(numbers, "%s%s",
				    str_len(numbers) == 0 ? "" : ",", name);
		}
	}
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_str(reply, "columns", str_c(names));
	pop3_policy_wire_str(reply, "numeric", str_c(numbers));
	pop3_policy_wire_num(reply, "items", rows);
	pop3_policy_wire_end(reply);
	for (i = 0; i < rows; i++) {
		pop3_policy_wire_item(reply, "row");
		for (j = 0; j < columns; j++) {
			pop3_policy_wire_str(reply,
				pop3_policy_db_result_column(result, j),
				pop3_policy_db_result_get(result, i, j));
		}
		pop3_policy_wire_end(reply);
	}
	pop3_policy_request_reply(request, reply);
}

/* What was restored is in the view, also while the database is away. */
static void pop3_policy_call_forget(struct pop3_policy_request *request)
{
	const struct pop3_policy_wire_line *head = &request->message->head;
	const char *name = pop3_policy_wire_get_str(head, "name");
	const char *user = pop3_policy_wire_get_str(head, "a1");

	/* a policy, or whether removals are stopped: the next login is to see
	   it */
	if (null_strcmp(name, "set") == 0 && user != NULL &&
	    *user != '*' && *user != '@') {
		pop3_policy_state_cache_touch(request->service->states, user);
	} else if (null_strcmp(name, "set") == 0 ||
		   null_strcmp(name, "pause") == 0 ||
		   null_strcmp(name, "resume") == 0 ||
		   null_strcmp(name, "confirm") == 0 ||
		   null_strcmp(name, "breaker") == 0) {
		pop3_policy_state_cache_touch_all(request->service->states);
	}
	if (null_strcmp(name, "restore") == 0 && user != NULL)
		pop3_policy_state_cache_forget(request->service->states, user);
}

static void
pop3_policy_call_finished(const struct pop3_policy_db_result *result,
			  const char *error, void *context)
{
	struct pop3_policy_request *request = context;

	/* it must not be aborted any more */
	request->context = NULL;
	if (result == NULL)
		pop3_policy_request_fail(request, "temp", error);
	else if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK) {
		pop3_policy_call_forget(request);
		pop3_policy_call_reply(request, result);
	} else if (pop3_policy_db_result_is_refused(result)) {
		pop3_policy_request_fail(request, "invalid",
			pop3_policy_db_result_message(result));
	} else if (pop3_policy_db_result_is_denied(result)) {
		pop3_policy_request_fail(request, "denied",
			pop3_policy_db_result_message(result));
	} else {
		pop3_policy_request_fail(request, "temp",
			pop3_policy_db_result_error(result));
	}
}

static void pop3_policy_call_ended(struct pop3_policy_request *request)
{
	struct pop3_policy_admin_call *call = request->context;

	if (call != NULL)
		pop3_policy_admin_call_abort(&call);
}

/* *result_r is NULL, for SQL NULL, if the value is missing. */
static int
pop3_policy_call_param(const struct pop3_policy_wire_line *head,
		       enum pop3_policy_admin_param param, unsigned int n,
		       const char **result_r, const char **error_r)
{
	const char *key = t_strdup_printf("a%u", n);
	const char *value = pop3_policy_wire_get_str(head, key);

	*result_r = NULL;
	if (value == NULL)
		return 0;
	if (pop3_policy_admin_param_parse(param, value, result_r,
					  error_r) == 0)
		return 0;
	*error_r = t_strdup_printf("%s: \"%s\" %s", key, value, *error_r);
	return -1;
}

void pop3_policy_request_call(struct pop3_policy_request *request)
{
	const struct pop3_policy_wire_line *head = &request->message->head;
	const char *params[POP3_POLICY_ADMIN_MAX_PARAMS];
	const struct pop3_policy_admin_stmt *stmt;
	struct pop3_policy_fields fields = { .line = head };
	const char *name, *caller, *error;
	unsigned int i, count;

	name = pop3_policy_wire_get_str(head, "name");
	stmt = name == NULL ? NULL : pop3_policy_admin_stmt_find(name);
	if (stmt == NULL) {
		pop3_policy_request_fail(request, "invalid", t_strdup_printf(
			"name: \"%s\" is not one of %s",
			name == NULL ? "" : name,
			pop3_policy_admin_stmt_names()));
		return;
	}
	caller = pop3_policy_fields_text(&fields, "caller",
					 POP3_POLICY_CALL_MAX_CALLER);
	count = pop3_policy_admin_stmt_params(stmt);
	for (i = 0; i < count; i++) {
		if (pop3_policy_call_param(head, stmt->params[i], i + 1,
					   &params[i], &error) < 0) {
			pop3_policy_request_fail(request, "invalid", error);
			return;
		}
	}
	pop3_policy_request_on_end(request, pop3_policy_call_ended);
	request->context = pop3_policy_admin_call(request->service->admin,
		stmt, caller, params, pop3_policy_call_finished, request);
}
