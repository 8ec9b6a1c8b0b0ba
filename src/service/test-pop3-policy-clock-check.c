/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-clock-check.h"

#define DAY 1700000000.0

static void test_agreement(void)
{
	static const struct {
		double ahead;
		bool right;
	} tests[] = {
		{ 0, TRUE }, { 59, TRUE }, { -59, TRUE }, { 61, FALSE },
		{ 61, FALSE }, { 3, TRUE }, { -61, FALSE }, { 1e9, FALSE },
		{ -60, TRUE },
	};
	struct pop3_policy_clock_check *check;
	unsigned int i, warnings = 0;

	test_begin("clock check: agreement with the database");
	check = pop3_policy_clock_check_init(NULL);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		/* it warns once */
		if (!tests[i].right && (i == 0 || tests[i - 1].right))
			test_expect_error_string("nothing is removed by time");
		test_assert_idx(pop3_policy_clock_check_database_at(check,
			DAY + i + tests[i].ahead, DAY + i, 100 + i) ==
			tests[i].right, i);
		test_expect_no_more_errors();
		test_assert_idx(pop3_policy_clock_check_at(check, DAY + i,
			100 + i) == tests[i].right, i);
		if (!tests[i].right)
			warnings++;
	}
	test_assert(warnings > 2);
	pop3_policy_clock_check_deinit(&check);
	test_end();
}

static void test_step(void)
{
	struct pop3_policy_clock_check *check;
	unsigned int n;

	test_begin("clock check: steps of the host's clock");
	check = pop3_policy_clock_check_init(NULL);
	test_assert(pop3_policy_clock_check_at(check, DAY, 100));
	/* small corrections are followed, however many */
	for (n = 1; n <= 10; n++) {
		test_assert_idx(pop3_policy_clock_check_at(check,
			DAY + n * 50, 100 + n), n);
	}
	/* set, and set back */
	test_expect_error_string("was set by +86400 s");
	test_assert(!pop3_policy_clock_check_at(check, DAY + 500 + 86400, 110));
	test_expect_no_more_errors();
	test_assert(!pop3_policy_clock_check_at(check, DAY + 510 + 86400, 120));
	test_assert(pop3_policy_clock_check_at(check, DAY + 520, 130));
	/* the database has the same clock, so it agrees all the time */
	test_expect_error_string("was set by -7000 s");
	test_assert(!pop3_policy_clock_check_database_at(check,
		DAY + 530 - 7000, DAY + 530 - 7000, 140));
	test_expect_no_more_errors();
	test_assert(!pop3_policy_clock_check_at(check,
		DAY + 530 - 7000 + 3599, 140 + 3599));
	/* it was right after all */
	test_assert(pop3_policy_clock_check_at(check,
		DAY + 530 - 7000 + 3600, 140 + 3600));
	test_assert(pop3_policy_clock_check_at(check,
		DAY + 530 - 7000 + 3601, 140 + 3601));
	test_expect_error_string("was set by +3860 s");
	test_assert(!pop3_policy_clock_check_at(check, DAY + 1000, 3750));
	test_expect_no_more_errors();
	pop3_policy_clock_check_deinit(&check);
	test_end();
}

static void test_step_and_disagreement(void)
{
	struct pop3_policy_clock_check *check;

	test_begin("clock check: a step away from the database");
	check = pop3_policy_clock_check_init(NULL);
	test_assert(pop3_policy_clock_check_database_at(check, DAY, DAY, 0));
	test_expect_error_string("was set by +600 s");
	test_assert(!pop3_policy_clock_check_database_at(check, DAY + 1,
							 DAY + 601, 1));
	test_expect_no_more_errors();
	/* an hour does not help */
	test_assert(!pop3_policy_clock_check_database_at(check, DAY + 4000,
							 DAY + 4600, 4000));
	/* back, it does at once */
	test_assert(pop3_policy_clock_check_database_at(check, DAY + 4001,
							DAY + 4001, 4001));
	pop3_policy_clock_check_deinit(&check);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_agreement,
		test_step,
		test_step_and_disagreement,
		NULL
	};
	return test_run(test_functions);
}
