/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-quota-share.h"
#include "test-pop3-policy-engine.h"

void test_quota_share(void)
{
	static const struct {
		const char *percents;
		uint64_t used, limit;
		unsigned int level;
	} tests[] = {
		{ "80,95", 0, 100, 0 },
		{ "80,95", 79, 100, 0 },
		{ "80,95", 80, 100, 80 },
		{ "80,95", 94, 100, 80 },
		{ "80,95", 95, 100, 95 },
		{ "80,95", 1000, 100, 95 },
		/* a part of a byte is not reached */
		{ "80", 8, 10, 80 },
		{ "80", 8, 11, 0 },
		{ "80", 9, 11, 80 },
		{ "100", 10, 11, 0 },
		{ "100", 11, 11, 100 },
		{ "1", 0, 1, 0 },
		{ "1", 1, 1, 1 },
		/* no thresholds, no limit */
		{ "", 100, 100, 0 },
		{ "80,95", 100, 0, 0 },
		/* large ones */
		{ "80", INT64_MAX / 5 * 4, INT64_MAX, 0 },
		{ "80", INT64_MAX / 5 * 4 + 2, INT64_MAX, 80 },
		{ "100", INT64_MAX - 1, INT64_MAX, 0 },
		{ "100", INT64_MAX, INT64_MAX, 100 }
	};

	test_begin("share of a quota");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		test_assert_ucmp_idx(
			pop3_policy_quota_share_level(tests[i].percents,
						      tests[i].used,
						      tests[i].limit),
			==, tests[i].level, i);
	} T_END;
	test_end();
}
