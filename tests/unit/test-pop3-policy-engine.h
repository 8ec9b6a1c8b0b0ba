#ifndef TEST_POP3_POLICY_ENGINE_H
#define TEST_POP3_POLICY_ENGINE_H

/* The files of test-pop3-policy-engine, one test function for each behaviour. */

#define TEST_ENGINE_FUNCTIONS(X) \
	X(test_param_table) \
	X(test_param_find) \
	X(test_param_allowed) \
	X(test_value_accepted) \
	X(test_value_refused) \
	X(test_value_mailbox) \
	X(test_value_canonical_refused) \
	X(test_value_bounds) \
	X(test_value_round_trip) \
	X(test_value_timestamp_calendar) \
	X(test_effective_builtin) \
	X(test_effective_levels) \
	X(test_effective_mixed) \
	X(test_effective_hold) \
	X(test_disposition_names) \
	X(test_disposition_cells) \
	X(test_disposition_rules) \
	X(test_disposition_expire_days) \
	X(test_disposition_mass_delete) \
	X(test_disposition_paused) \
	X(test_disposition_marks_seen) \
	X(test_disposition_limits_leaving) \
	X(test_mass_delete) \
	X(test_quota_share) \
	X(test_view_limit) \
	X(test_view_limit_random)

#define TEST_ENGINE_DECLARE(name) void name(void);
TEST_ENGINE_FUNCTIONS(TEST_ENGINE_DECLARE)

#endif
