/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "test-common.h"
#include "pop3-policy-admin-statements.h"

static void test_params(void)
{
	static const struct {
		enum pop3_policy_admin_param param;
		const char *value;
		/* NULL: refused */
		const char *result;
	} tests[] = {
		{ POP3_POLICY_ADMIN_PARAM_TEXT, "", "" },
		{ POP3_POLICY_ADMIN_PARAM_TEXT, "j\xc3\xbcrgen", "j\xc3\xbcrgen" },
		{ POP3_POLICY_ADMIN_PARAM_TEXT, "j\xfcrgen", NULL },
		{ POP3_POLICY_ADMIN_PARAM_TIME, "yesterday", "yesterday" },
		{ POP3_POLICY_ADMIN_PARAM_NUMBER, "-5", "-5" },
		{ POP3_POLICY_ADMIN_PARAM_NUMBER, "9223372036854775807",
		  "9223372036854775807" },
		{ POP3_POLICY_ADMIN_PARAM_NUMBER, "9223372036854775808", NULL },
		{ POP3_POLICY_ADMIN_PARAM_NUMBER, "5 ", NULL },
		{ POP3_POLICY_ADMIN_PARAM_NUMBER, "", NULL },
		{ POP3_POLICY_ADMIN_PARAM_LIST, "", "{}" },
		{ POP3_POLICY_ADMIN_PARAM_LIST, "\n", "{\"\"}" },
		{ POP3_POLICY_ADMIN_PARAM_LIST, "a\n\"b,c}\n",
		  "{\"a\",\"\\\"b,c}\"}" },
		{ POP3_POLICY_ADMIN_PARAM_LIST, "a\nb", NULL },
		{ POP3_POLICY_ADMIN_PARAM_LIST, "\xff\n", NULL },
		{ POP3_POLICY_ADMIN_PARAM_UIDS, "", "{}" },
		{ POP3_POLICY_ADMIN_PARAM_UIDS, "1:5,9", "{[1,6),[9,10)}" },
		{ POP3_POLICY_ADMIN_PARAM_UIDS, "5:1", NULL },
		{ POP3_POLICY_ADMIN_PARAM_UIDS, "0", NULL },
	};
	const char *result, *error;
	unsigned int i;
	int ret;

	test_begin("parameters of administrators' calls");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = pop3_policy_admin_param_parse(tests[i].param,
						    tests[i].value, &result,
						    &error);
		test_assert_idx((ret == 0) == (tests[i].result != NULL), i);
		if (ret == 0)
			test_assert_strcmp_idx(result, tests[i].result, i);
		else
			test_assert_idx(error != NULL, i);
	}
	test_end();
}

/* Each has parameters, if any, and can be written. */
static void test_statements(void)
{
	const char *const *names =
		t_strsplit_spaces(pop3_policy_admin_stmt_names(), ", ");
	const struct pop3_policy_admin_stmt *stmt;
	const char *sql;
	unsigned int i, count;

	test_begin("statements of administrators' calls");
	test_assert(str_array_length(names) > 1);
	for (i = 0; names[i] != NULL; i++) {
		stmt = pop3_policy_admin_stmt_find(names[i]);
		test_assert_idx(stmt != NULL, i);
		if (stmt == NULL)
			continue;
		count = pop3_policy_admin_stmt_params(stmt);
		sql = pop3_policy_admin_stmt_sql(stmt);
		test_assert_idx(strstr(sql, t_strdup_printf("$%u::", count)) !=
				NULL || count == 0, i);
		test_assert_idx(strstr(sql, t_strdup_printf("$%u::",
							    count + 1)) ==
				NULL, i);
	}
	test_assert(pop3_policy_admin_stmt_find("") == NULL);
	test_assert(pop3_policy_admin_stmt_find("record_intent") == NULL);
	test_assert_strcmp(pop3_policy_admin_stmt_sql(
				pop3_policy_admin_stmt_find("set")),
			   "SELECT * FROM pop3.set_policies($1::text, "
			   "$2::text[], $3::text[])");
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_params,
		test_statements,
		NULL
	};

	return test_run(test_functions);
}
