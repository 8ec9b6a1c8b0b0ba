/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-mass-delete.h"
#include "test-pop3-policy-engine.h"

void test_mass_delete(void)
{
	static const struct {
		int64_t percent;
		unsigned int deleted, unread;
		bool mass;
	} tests[] = {
		{ POP3_POLICY_NEVER, 1000, 1000, FALSE },
		/* at least 20 */
		{ 1, 0, 0, FALSE },
		{ 1, 19, 19, FALSE },
		{ 1, 20, 20, TRUE },
		/* more than the share */
		{ 50, 20, 40, FALSE },
		{ 50, 20, 39, TRUE },
		{ 50, 21, 40, TRUE },
		{ 1, 20, 2000, FALSE },
		{ 1, 20, 1999, TRUE },
		{ 99, 99, 100, FALSE },
		{ 99, 100, 100, TRUE },
		{ 33, 33, 100, FALSE },
		{ 33, 34, 100, TRUE },
		/* there is no more than everything */
		{ 100, 100, 100, FALSE },
		/* no overflow */
		{ 50, 3000000000U, 4000000000U, TRUE },
		{ 75, 3000000000U, 4000000000U, FALSE },
	};
	struct pop3_policy policy;

	test_begin("mass deletion");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		pop3_policy_init_builtin(&policy);
		if (tests[i].percent != POP3_POLICY_NEVER) {
			policy.values[POP3_POLICY_PARAM_MASS_DELETE_PERCENT].
				num = tests[i].percent;
		}
		test_assert_idx(pop3_policy_is_mass_delete(&policy,
			tests[i].deleted, tests[i].unread) == tests[i].mass,
			i);
	}
	test_end();
}
