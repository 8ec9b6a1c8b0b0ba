#ifndef POP3_POLICY_ADMIN_STATEMENTS_H
#define POP3_POLICY_ADMIN_STATEMENTS_H

/* What CALL may call: functions of the schema for people, under the name that
   the client says. */

#define POP3_POLICY_ADMIN_MAX_PARAMS 8

enum pop3_policy_admin_param {
	POP3_POLICY_ADMIN_PARAM_END = 0,
	/* as it is */
	POP3_POLICY_ADMIN_PARAM_TEXT,
	/* a whole number */
	POP3_POLICY_ADMIN_PARAM_NUMBER,
	/* a point in time, as PostgreSQL takes it */
	POP3_POLICY_ADMIN_PARAM_TIME,
	/* 32 hex digits */
	POP3_POLICY_ADMIN_PARAM_UUID,
	/* t or f */
	POP3_POLICY_ADMIN_PARAM_BOOL,
	/* texts, each ended by a line feed: text[] */
	POP3_POLICY_ADMIN_PARAM_LIST,
	/* a UID set: int8multirange */
	POP3_POLICY_ADMIN_PARAM_UIDS
};

struct pop3_policy_admin_stmt {
	/* the client's name= */
	const char *name;
	/* of the SQL function */
	const char *function;
	enum pop3_policy_admin_param params[POP3_POLICY_ADMIN_MAX_PARAMS + 1];
};

/* NULL if there is none. */
const struct pop3_policy_admin_stmt *
pop3_policy_admin_stmt_find(const char *name);
unsigned int
pop3_policy_admin_stmt_params(const struct pop3_policy_admin_stmt *stmt);
/* "SELECT * FROM pop3.function($1::type, ...)". Allocated from the data
   stack. */
const char *
pop3_policy_admin_stmt_sql(const struct pop3_policy_admin_stmt *stmt);
/* The names of all, for an error. Allocated from the data stack. */
const char *pop3_policy_admin_stmt_names(void);
/* Bring a value to the form that the statement takes. Allocated from the data
   stack. Returns 0 if ok, -1 and *error_r (what is wrong with it) if it cannot
   be that. */
int pop3_policy_admin_param_parse(enum pop3_policy_admin_param param,
				  const char *value, const char **result_r,
				  const char **error_r);

#endif
