/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-statements.h"

static void test_array_write(void)
{
	ARRAY_TYPE(seq_range) set;
	string_t *array;

	test_begin("array literals: writing");
	array = pop3_policy_array_begin();
	test_assert_strcmp(pop3_policy_array_end(array), "{}");

	array = pop3_policy_array_begin();
	pop3_policy_array_add_num(array, 1);
	pop3_policy_array_add_num(array, INT64_MIN);
	pop3_policy_array_add_bool(array, TRUE);
	pop3_policy_array_add_bool(array, FALSE);
	test_assert_strcmp(pop3_policy_array_end(array),
			   "{1,-9223372036854775808,t,f}");

	array = pop3_policy_array_begin();
	pop3_policy_array_add_text(array, NULL);
	pop3_policy_array_add_text(array, "");
	pop3_policy_array_add_text(array, "NULL");
	pop3_policy_array_add_text(array, "a\"b\\c,{d} e");
	test_assert_strcmp(pop3_policy_array_end(array),
		"{NULL,\"\",\"NULL\",\"a\\\"b\\\\c,{d} e\"}");

	t_array_init(&set, 4);
	test_assert_strcmp(pop3_policy_array_from_uids(&set), "{}");
	seq_range_array_add_range(&set, 3, 5);
	seq_range_array_add(&set, UINT32_MAX);
	test_assert_strcmp(pop3_policy_array_from_uids(&set),
			   "{3,4,5,4294967295}");
	test_end();
}

static void test_array_parse(void)
{
	static const struct {
		const char *text;
		unsigned int count;
		const char *values[4];
	} tests[] = {
		{ NULL, 0, { NULL } },
		{ "{}", 0, { NULL } },
		{ "{a}", 1, { "a" } },
		{ "{1,22,-3}", 3, { "1", "22", "-3" } },
		{ "{NULL,\"NULL\",\"\"}", 3, { NULL, "NULL", "" } },
		{ "{\"a,b\",\"c}d\",\"e\\\"f\",\"g\\\\h\"}", 4,
		  { "a,b", "c}d", "e\"f", "g\\h" } },
		{ "{\"\xc3\xa4 b\",c}", 2, { "\xc3\xa4 b", "c" } },
		{ "{expired-hidden,x.y}", 2, { "expired-hidden", "x.y" } },
	};
	static const char *const bad[] = {
		"", "a", "{", "{a", "{a,", "{a,}", "{,a}", "{a}b", "{a},",
		"{\"a}", "{\"a\"b}", "{\"a\\", "{{a}}", "{a\"b\"}", "}", "{\\",
	};
	const char *const *values, *error = NULL;
	unsigned int i, j, count;

	test_begin("array literals: parsing");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(pop3_policy_array_parse(
			pool_datastack_create(), tests[i].text, &values,
			&count, &error) == 0, i);
		test_assert_idx(count == tests[i].count, i);
		for (j = 0; j < count; j++) {
			test_assert_idx(null_strcmp(values[j],
				tests[i].values[j]) == 0, i);
		}
		test_assert_idx(values[count] == NULL, i);
	}
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_array_parse(
			pool_datastack_create(), bad[i], &values, &count,
			&error) < 0, i);
		test_assert_idx(error != NULL, i);
	}
	test_end();
}

static void test_multirange(void)
{
	static const struct {
		const char *text;
		struct seq_range ranges[2];
		unsigned int count;
	} tests[] = {
		{ "{}", { { 0, 0 } }, 0 },
		{ "{[1,2)}", { { 1, 1 } }, 1 },
		{ "{[1,6),[9,10)}", { { 1, 5 }, { 9, 9 } }, 2 },
		{ "{[4294967295,4294967296)}",
		  { { UINT32_MAX, UINT32_MAX } }, 1 },
		{ "{[1,4294967296)}", { { 1, UINT32_MAX } }, 1 },
	};
	static const char *const bad[] = {
		"", "{", "[1,2)", "{[1,2)", "{[1,2]}", "{(1,2)}", "{[2,2)}",
		"{[3,2)}", "{[0,2)}", "{[1,4294967297)}", "{[,5)}", "{[1,)}",
		"{[1,2)}x", "{[1,2),}", "{[1,2)[3,4)}", "{[-1,2)}", "{[1 ,2)}",
		"{[1,99999999999999999999)}", "empty",
	};
	ARRAY_TYPE(seq_range) set;
	const struct seq_range *range;
	const char *error;
	unsigned int i, j;

	test_begin("multiranges");
	t_array_init(&set, 4);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(pop3_policy_multirange_parse(
			tests[i].text, &set, &error) == 0, i);
		test_assert_idx(array_count(&set) == tests[i].count, i);
		for (j = 0; j < array_count(&set); j++) {
			range = array_idx(&set, j);
			test_assert_idx(range->seq1 ==
					tests[i].ranges[j].seq1 &&
					range->seq2 ==
					tests[i].ranges[j].seq2, i);
		}
		test_assert_strcmp_idx(
			pop3_policy_multirange_from_uids(&set),
			tests[i].text, i);
	}
	test_assert(pop3_policy_multirange_parse(NULL, &set, &error) == 0 &&
		    array_count(&set) == 0);
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_multirange_parse(
			bad[i], &set, &error) < 0, i);
		test_assert_idx(error != NULL, i);
	}
	test_end();
}

static void test_text_clean(void)
{
	static const struct {
		const char *input;
		size_t max;
		const char *output;
	} tests[] = {
		{ "", 10, "" },
		{ "plain", 10, "plain" },
		{ "plain", 3, "pla" },
		{ "tab\there\nline", 99, "tab\there\nline" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7", 99,
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7" },
		/* cut between characters */
		{ "a\xc3\xa4", 2, "a" },
		{ "a\xc3\xa4", 3, "a\xc3\xa4" },
		{ "ab\xff", 5, "ab" },
		{ "ab\xff", 6, "ab\\xFF" },
		/* alone, incomplete, overlong, surrogate, too large */
		{ "\x80x", 99, "\\x80x" },
		{ "\xc3", 99, "\\xC3" },
		{ "\xc3(", 99, "\\xC3(" },
		{ "\xe2\x82", 99, "\\xE2\\x82" },
		{ "\xc0\x80", 99, "\\xC0\\x80" },
		{ "\xed\xa0\x80", 99, "\\xED\\xA0\\x80" },
		{ "\xf4\x90\x80\x80", 99, "\\xF4\\x90\\x80\\x80" },
		{ "\xf8\x88\x80\x80\x80", 99, "\\xF8\\x88\\x80\\x80\\x80" },
	};
	unsigned int i;

	test_begin("text cleaning");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(pop3_policy_text_clean(
			tests[i].input, tests[i].max), tests[i].output, i);
	}
	test_assert(pop3_policy_text_clean(NULL, 10) == NULL);
	test_assert_strcmp(pop3_policy_uuid_digits(
		"01234567-89ab-cdef-0123-456789abcdef"),
		"0123456789abcdef0123456789abcdef");
	test_assert(pop3_policy_uuid_digits(NULL) == NULL);
	test_end();
}

static void test_statements(void)
{
	test_begin("statements");
	test_assert_strcmp(pop3_policy_stmt_sql(POP3_POLICY_STMT_NOW),
			   "SELECT * FROM pop3.now()");
	test_assert_strcmp(
		pop3_policy_stmt_sql(POP3_POLICY_STMT_INTENT_STATE),
		"SELECT * FROM pop3.intent_state($1::uuid, $2::int)");
	test_assert(pop3_policy_stmt_params(POP3_POLICY_STMT_NOW) == 0);
	test_assert(pop3_policy_stmt_params(
		POP3_POLICY_STMT_BATCH_BEGIN) == 6);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_array_write,
		test_array_parse,
		test_multirange,
		test_text_clean,
		test_statements,
		NULL
	};

	return test_run(test_functions);
}
