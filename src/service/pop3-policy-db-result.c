/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-db-private.h"

/* SQLSTATE of pop3.batch_begin() for a chain that moved on. */
#define POP3_POLICY_SQLSTATE_CHAIN "P3001"
/* lock_not_available */
#define POP3_POLICY_SQLSTATE_LOCK "55P03"
/* insufficient_privilege */
#define POP3_POLICY_SQLSTATE_DENIED "42501"
/* query_canceled */
#define POP3_POLICY_SQLSTATE_TIMEOUT "57014"

struct pop3_policy_db_result {
	int refcount;
	enum pop3_policy_db_status status;
	PGresult *res;
};

const char *pop3_policy_db_one_line(const char *text)
{
	string_t *str = t_str_new(128);

	for (; *text != '\0'; text++) {
		if (*text == '\t' || *text == '\r')
			str_append_c(str, ' ');
		else if (*text != '\n')
			str_append_c(str, *text);
		else if (text[strspn(text, "\n\t ")] != '\0') {
			str_append(str, "; ");
			text += strspn(text, "\n\t ") - 1;
		}
	}
	return str_c(str);
}

struct pop3_policy_db_result *
pop3_policy_db_result_create(enum pop3_policy_db_status status, PGresult *res)
{
	struct pop3_policy_db_result *result;

	result = i_new(struct pop3_policy_db_result, 1);
	result->refcount = 1;
	result->status = status;
	result->res = res;
	return result;
}

void pop3_policy_db_result_ref(struct pop3_policy_db_result *result)
{
	i_assert(result->refcount > 0);
	result->refcount++;
}

void pop3_policy_db_result_unref(struct pop3_policy_db_result **_result)
{
	struct pop3_policy_db_result *result = *_result;

	if (result == NULL)
		return;
	*_result = NULL;
	i_assert(result->refcount > 0);
	if (--result->refcount > 0)
		return;
	PQclear(result->res);
	i_free(result);
}

enum pop3_policy_db_status
pop3_policy_db_result_status(const struct pop3_policy_db_result *result)
{
	return result->status;
}

static const char *
pop3_policy_db_result_sqlstate(const struct pop3_policy_db_result *result)
{
	const char *state = result->res == NULL ? NULL :
		PQresultErrorField(result->res, PG_DIAG_SQLSTATE);

	return state == NULL ? "" : state;
}

const char *
pop3_policy_db_result_error(const struct pop3_policy_db_result *result)
{
	const char *text, *state;

	switch (result->status) {
	case POP3_POLICY_DB_OK:
		return "no error";
	case POP3_POLICY_DB_ABORTED:
		return "a statement before it failed";
	case POP3_POLICY_DB_LOST:
		return "connection lost";
	case POP3_POLICY_DB_ERROR:
		break;
	}
	text = PQresultErrorField(result->res, PG_DIAG_MESSAGE_PRIMARY);
	if (text == NULL)
		text = PQresultErrorMessage(result->res);
	state = pop3_policy_db_result_sqlstate(result);
	return *state == '\0' ? pop3_policy_db_one_line(text) :
		t_strdup_printf("%s (SQLSTATE %s)",
				pop3_policy_db_one_line(text), state);
}

static bool str_ends_with_any(const char *text, const char *chars)
{
	size_t len = strlen(text);

	return len > 0 && strchr(chars, text[len - 1]) != NULL;
}

const char *
pop3_policy_db_result_message(const struct pop3_policy_db_result *result)
{
	const char *text, *hint;

	if (result->status != POP3_POLICY_DB_ERROR)
		return pop3_policy_db_result_error(result);
	text = PQresultErrorField(result->res, PG_DIAG_MESSAGE_PRIMARY);
	if (text == NULL)
		return pop3_policy_db_result_error(result);
	hint = PQresultErrorField(result->res, PG_DIAG_MESSAGE_HINT);
	if (hint != NULL) {
		text = t_strconcat(text, str_ends_with_any(text, ".?!") ?
				   " " : ". ", hint, NULL);
	}
	return pop3_policy_db_one_line(text);
}

bool pop3_policy_db_result_is_refused(const struct pop3_policy_db_result *result)
{
	return result->status == POP3_POLICY_DB_ERROR &&
		(str_begins_with(pop3_policy_db_result_sqlstate(result),
				 "23") ||
		 pop3_policy_db_result_failure(result) ==
		 POP3_POLICY_DB_FAILURE_DATA);
}

bool pop3_policy_db_result_is_denied(const struct pop3_policy_db_result *result)
{
	return result->status == POP3_POLICY_DB_ERROR &&
		strcmp(pop3_policy_db_result_sqlstate(result),
		       POP3_POLICY_SQLSTATE_DENIED) == 0;
}

enum pop3_policy_db_failure
pop3_policy_db_result_failure(const struct pop3_policy_db_result *result)
{
	/* Constraints ("23") are not among these: a trigger of somebody else or
	   a race may be the reason. Nor are errors that are not known here. */
	static const char *const data_classes[] = {
		"21",	/* cardinality */
		"22",	/* data exception */
		"P0",	/* raised by a function */
		"P3",	/* raised by one of ours */
	};
	static const char *const transient_classes[] = {
		"08",	/* connection */
		"25",	/* read-only: a standby, or one just demoted */
		"40",	/* serialization, deadlock */
		"53",	/* disk full, out of memory, too many connections */
		"55",	/* lock not available */
		"57",	/* canceled, shutting down */
		"58",	/* system error */
	};
	/* syntax error or access rule violation; invalid schema name,
	   catalog name, authorization */
	static const char *const schema_classes[] = {
		"28", "3D", "3F", "42"
	};
	const char *state = pop3_policy_db_result_sqlstate(result);
	unsigned int i;

	if (result->status != POP3_POLICY_DB_ERROR || *state == '\0')
		return POP3_POLICY_DB_FAILURE_TRANSIENT;
	if (strcmp(state, POP3_POLICY_SQLSTATE_CHAIN) == 0)
		return POP3_POLICY_DB_FAILURE_CHAIN;
	if (strcmp(state, POP3_POLICY_SQLSTATE_LOCK) == 0)
		return POP3_POLICY_DB_FAILURE_LOCK;
	if (strcmp(state, POP3_POLICY_SQLSTATE_TIMEOUT) == 0)
		return POP3_POLICY_DB_FAILURE_TIMEOUT;
	for (i = 0; i < N_ELEMENTS(transient_classes); i++) {
		if (str_begins_with(state, transient_classes[i]))
			return POP3_POLICY_DB_FAILURE_TRANSIENT;
	}
	for (i = 0; i < N_ELEMENTS(schema_classes); i++) {
		if (str_begins_with(state, schema_classes[i]))
			return POP3_POLICY_DB_FAILURE_SCHEMA;
	}
	for (i = 0; i < N_ELEMENTS(data_classes); i++) {
		if (str_begins_with(state, data_classes[i]))
			return POP3_POLICY_DB_FAILURE_DATA;
	}
	return POP3_POLICY_DB_FAILURE_UNKNOWN;
}

unsigned int
pop3_policy_db_result_rows(const struct pop3_policy_db_result *result)
{
	return result->status != POP3_POLICY_DB_OK || result->res == NULL ? 0 :
		(unsigned int)PQntuples(result->res);
}

unsigned int
pop3_policy_db_result_columns(const struct pop3_policy_db_result *result)
{
	return result->status != POP3_POLICY_DB_OK || result->res == NULL ? 0 :
		(unsigned int)PQnfields(result->res);
}

const char *
pop3_policy_db_result_column(const struct pop3_policy_db_result *result,
			     unsigned int column)
{
	i_assert(column < pop3_policy_db_result_columns(result));
	return PQfname(result->res, (int)column);
}

bool pop3_policy_db_result_is_number(const struct pop3_policy_db_result *result,
				     unsigned int column)
{
	i_assert(column < pop3_policy_db_result_columns(result));
	/* of the catalog's types, which never change: int8, int2, int4 */
	switch (PQftype(result->res, (int)column)) {
	case 20:
	case 21:
	case 23:
		return TRUE;
	default:
		return FALSE;
	}
}

const char *
pop3_policy_db_result_get(const struct pop3_policy_db_result *result,
			  unsigned int row, unsigned int column)
{
	if (row >= pop3_policy_db_result_rows(result) ||
	    column >= (unsigned int)PQnfields(result->res) ||
	    PQgetisnull(result->res, (int)row, (int)column) != 0)
		return NULL;
	return PQgetvalue(result->res, (int)row, (int)column);
}
