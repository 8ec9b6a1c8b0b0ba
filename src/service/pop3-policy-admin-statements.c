/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "unichar.h"
#include "pop3-policy-admin-statements.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-protocol.h"

#define TEXT POP3_POLICY_ADMIN_PARAM_TEXT
#define NUMBER POP3_POLICY_ADMIN_PARAM_NUMBER
#define TIME POP3_POLICY_ADMIN_PARAM_TIME
#define UUID POP3_POLICY_ADMIN_PARAM_UUID
#define BOOL POP3_POLICY_ADMIN_PARAM_BOOL
#define LIST POP3_POLICY_ADMIN_PARAM_LIST
#define UIDS POP3_POLICY_ADMIN_PARAM_UIDS

static const struct pop3_policy_admin_stmt admin_stmts[] = {
	{ "show", "effective_policy", { TEXT } },
	{ "explain", "explain", { TEXT } },
	{ "policies", "list_policy", { TEXT, NUMBER, NUMBER } },
	{ "presets", "list_presets", { POP3_POLICY_ADMIN_PARAM_END } },
	{ "set", "set_policies", { TEXT, LIST, LIST } },
	{ "preview", "preview_policies", { TEXT, LIST, LIST } },
	{ "status", "status", { TEXT, NUMBER, TEXT } },
	{ "log", "log", { TEXT, TIME, TIME, TEXT, TEXT, NUMBER } },
	{ "restore", "restore", { TEXT, UIDS, TEXT, TEXT, TIME, TIME } },
	{ "control", "control_status", { POP3_POLICY_ADMIN_PARAM_END } },
	{ "pause", "pause", { TEXT } },
	{ "resume", "resume", { POP3_POLICY_ADMIN_PARAM_END } },
	{ "confirm", "confirm_breaker", { POP3_POLICY_ADMIN_PARAM_END } },
	{ "breaker", "set_breaker", { NUMBER, NUMBER } },
	{ "sweep_select", "sweep_select", { LIST } },
	{ "sweep_claim", "sweep_claim", { TEXT, UUID } },
	{ "sweep_release", "sweep_release", { TEXT, UUID, BOOL } },
};

static const char *const param_types[] = {
	[POP3_POLICY_ADMIN_PARAM_TEXT] = "text",
	[POP3_POLICY_ADMIN_PARAM_NUMBER] = "bigint",
	[POP3_POLICY_ADMIN_PARAM_TIME] = "timestamptz",
	[POP3_POLICY_ADMIN_PARAM_UUID] = "uuid",
	[POP3_POLICY_ADMIN_PARAM_BOOL] = "boolean",
	[POP3_POLICY_ADMIN_PARAM_LIST] = "text[]",
	[POP3_POLICY_ADMIN_PARAM_UIDS] = "int8multirange",
};

const struct pop3_policy_admin_stmt *
pop3_policy_admin_stmt_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(admin_stmts); i++) {
		if (strcmp(admin_stmts[i].name, name) == 0)
			return &admin_stmts[i];
	}
	return NULL;
}

unsigned int
pop3_policy_admin_stmt_params(const struct pop3_policy_admin_stmt *stmt)
{
	unsigned int count = 0;

	while (stmt->params[count] != POP3_POLICY_ADMIN_PARAM_END)
		count++;
	i_assert(count <= POP3_POLICY_ADMIN_MAX_PARAMS);
	return count;
}

const char *
pop3_policy_admin_stmt_sql(const struct pop3_policy_admin_stmt *stmt)
{
	unsigned int i, count = pop3_policy_admin_stmt_params(stmt);
	string_t *sql = t_str_new(128);

	str_printfa(sql, "SELECT * FROM pop3.%s(", stmt->function);
	for (i = 0; i < count; i++) {
		str_printfa(sql, "%s$%u::%s", i == 0 ? "" : ", ", i + 1,
			    param_types[stmt->params[i]]);
	}
	str_append_c(sql, ')');
	return str_c(sql);
}

const char *pop3_policy_admin_stmt_names(void)
{
	string_t *str = t_str_new(128);
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(admin_stmts); i++) {
		str_printfa(str, "%s%s", i == 0 ? "" : ", ",
			    admin_stmts[i].name);
	}
	return str_c(str);
}

static const char *pop3_policy_admin_list(const char *value)
{
	string_t *array = pop3_policy_array_begin();
	const char *end;

	for (; (end = strchr(value, '\n')) != NULL; value = end + 1)
		pop3_policy_array_add_text(array, t_strdup_until(value, end));
	return pop3_policy_array_end(array);
}

int pop3_policy_admin_param_parse(enum pop3_policy_admin_param param,
				  const char *value, const char **result_r,
				  const char **error_r)
{
	ARRAY_TYPE(seq_range) uids;
	int64_t num;

	if (!uni_utf8_str_is_valid(value)) {
		*error_r = "is not valid UTF-8";
		return -1;
	}
	*result_r = value;
	switch (param) {
	case POP3_POLICY_ADMIN_PARAM_END:
		i_unreached();
	case POP3_POLICY_ADMIN_PARAM_TEXT:
	case POP3_POLICY_ADMIN_PARAM_TIME:
	case POP3_POLICY_ADMIN_PARAM_UUID:
	case POP3_POLICY_ADMIN_PARAM_BOOL:
		break;
	case POP3_POLICY_ADMIN_PARAM_NUMBER:
		if (str_to_int64(value, &num) < 0) {
			*error_r = "is not a number";
			return -1;
		}
		break;
	case POP3_POLICY_ADMIN_PARAM_LIST:
		if (*value != '\0' && value[strlen(value) - 1] != '\n') {
			*error_r = "is a list that does not end";
			return -1;
		}
		*result_r = pop3_policy_admin_list(value);
		break;
	case POP3_POLICY_ADMIN_PARAM_UIDS:
		t_array_init(&uids, 16);
		if (pop3_policy_uidset_parse(value, &uids) < 0) {
			*error_r = "is not a set of UIDs";
			return -1;
		}
		*result_r = pop3_policy_multirange_from_uids(&uids);
		break;
	}
	return 0;
}
