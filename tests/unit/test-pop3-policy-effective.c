/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Merging the levels. */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-effective.h"
#include "test-pop3-policy-engine.h"

static void
row_set(struct pop3_policy_row *row, enum pop3_policy_param param, int64_t num)
{
	row->set[param] = TRUE;
	row->values[param].num = num;
}

static bool has_str(unsigned int param)
{
	return param == POP3_POLICY_PARAM_MOVE_MAILBOX ||
		param == POP3_POLICY_PARAM_QUOTA_WARN;
}

void test_effective_builtin(void)
{
	const struct pop3_policy_row *const rows[POP3_POLICY_LEVEL_ROWS] =
		{ NULL, };
	struct pop3_policy builtin, merged;

	test_begin("effective policy: built-in");
	pop3_policy_init_builtin(&builtin);
	pop3_policy_merge(rows, &merged);
	for (unsigned int i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		enum pop3_policy_param param = (enum pop3_policy_param)i;

		test_assert_strcmp_idx(
			pop3_policy_value_canonical(param, &builtin.values[i]),
			pop3_policy_param_info(param)->builtin, i);
		test_assert_strcmp_idx(
			pop3_policy_value_canonical(param, &merged.values[i]),
			pop3_policy_param_info(param)->builtin, i);
		test_assert_idx(builtin.from[i] ==
				POP3_POLICY_LEVEL_BUILTIN, i);
		test_assert_idx(merged.from[i] ==
				POP3_POLICY_LEVEL_BUILTIN, i);
		test_assert_idx((merged.values[i].str != NULL) ==
				has_str(i), i);
	}
	/* what nothing may change without notice */
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_ENFORCEMENT) ==
		    POP3_POLICY_ENFORCEMENT_OBSERVE);
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_POP3_ACCESS) ==
		    POP3_POLICY_ON);
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_ON_DELE) ==
		    POP3_POLICY_ON_DELE_DELETE);
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_ON_RETRIEVE) ==
		    POP3_POLICY_ON_RETRIEVE_KEEP);
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_MARK_SEEN) ==
		    POP3_POLICY_MARK_SEEN_AS_CONFIGURED);
	test_assert(pop3_policy_num(&merged, POP3_POLICY_PARAM_QUOTA_STORAGE) ==
		    POP3_POLICY_AS_CONFIGURED);
	test_assert(pop3_policy_num(&merged,
				    POP3_POLICY_PARAM_EXPIRE_RETRIEVED) ==
		    POP3_POLICY_NEVER);
	test_end();
}

/* Every parameter, with every set of levels that set it. */
void test_effective_levels(void)
{
	struct pop3_policy_row rows[POP3_POLICY_LEVEL_ROWS];
	const struct pop3_policy_row *row_ptrs[POP3_POLICY_LEVEL_ROWS];
	static const char *const strs[POP3_POLICY_LEVEL_ROWS] =
		{ "user", "user-preset", "domain", "domain-preset",
		  "site", "site-preset" };
	unsigned int param, set, level;
	struct pop3_policy policy;

	test_begin("effective policy: most specific level wins");
	for (param = 0; param < POP3_POLICY_PARAM_COUNT; param++) {
		/* has a rule of its own */
		if (param == POP3_POLICY_PARAM_POP3_HOLD)
			continue;
		for (set = 1; set < (1 << POP3_POLICY_LEVEL_ROWS); set++) {
			i_zero(&rows);
			for (level = 0; level < N_ELEMENTS(rows); level++) {
				/* absent rows, and rows with only NULLs */
				row_ptrs[level] = (set & 1) != 0 ||
					(set & (1 << level)) != 0 ?
					&rows[level] : NULL;
				rows[level].values[param].num = 100 + level;
				rows[level].values[param].str = strs[level];
				rows[level].set[param] =
					(set & (1 << level)) != 0;
			}
			for (level = 0; (set & (1 << level)) == 0; level++) ;

			pop3_policy_merge(row_ptrs, &policy);
			test_assert_idx(policy.values[param].num ==
					100 + (int)level, param * 100 + set);
			/* points into the row */
			test_assert_idx(policy.values[param].str ==
					strs[level], param * 100 + set);
			test_assert_idx(policy.from[param] ==
					(enum pop3_policy_level)level,
					param * 100 + set);
			for (unsigned int i = 0;
			     i < POP3_POLICY_PARAM_COUNT; i++) {
				test_assert_idx(i == param || policy.from[i] ==
					POP3_POLICY_LEVEL_BUILTIN, i);
			}
		}
	}
	test_end();
}

void test_effective_mixed(void)
{
	struct pop3_policy_row user, domain_preset, site;
	const struct pop3_policy_row *const rows[POP3_POLICY_LEVEL_ROWS] = {
		[POP3_POLICY_LEVEL_USER] = &user,
		[POP3_POLICY_LEVEL_DOMAIN_PRESET] = &domain_preset,
		[POP3_POLICY_LEVEL_SITE] = &site,
	};
	struct pop3_policy policy;

	test_begin("effective policy: never overrides, NULL inherits");
	i_zero(&user);
	i_zero(&domain_preset);
	i_zero(&site);
	row_set(&site, POP3_POLICY_PARAM_ENFORCEMENT,
		POP3_POLICY_ENFORCEMENT_ENFORCE);
	row_set(&site, POP3_POLICY_PARAM_EXPIRE_RETRIEVED, 604800);
	row_set(&site, POP3_POLICY_PARAM_EXPIRE_HIDDEN, 86400);
	row_set(&domain_preset, POP3_POLICY_PARAM_EXPIRE_RETRIEVED, 1209600);
	row_set(&user, POP3_POLICY_PARAM_EXPIRE_RETRIEVED, POP3_POLICY_NEVER);
	row_set(&domain_preset, POP3_POLICY_PARAM_QUOTA_STORAGE, 1 << 20);
	row_set(&user, POP3_POLICY_PARAM_QUOTA_STORAGE,
		POP3_POLICY_AS_CONFIGURED);
	pop3_policy_merge(rows, &policy);

#define CHECK(param, value, level) \
	test_assert(pop3_policy_num(&policy, POP3_POLICY_PARAM_##param) == \
		    (value) && policy.from[POP3_POLICY_PARAM_##param] == \
		    POP3_POLICY_LEVEL_##level)
	CHECK(ENFORCEMENT, POP3_POLICY_ENFORCEMENT_ENFORCE, SITE);
	CHECK(EXPIRE_RETRIEVED, POP3_POLICY_NEVER, USER);
	CHECK(EXPIRE_HIDDEN, 86400, SITE);
	CHECK(QUOTA_STORAGE, POP3_POLICY_AS_CONFIGURED, USER);
	CHECK(EXPIRE_UNRETRIEVED, POP3_POLICY_NEVER, BUILTIN);
#undef CHECK
	test_end();
}

/* Every level unset, "no" or "yes": 3^6 cases. */
void test_effective_hold(void)
{
	struct pop3_policy_row rows[POP3_POLICY_LEVEL_ROWS];
	const struct pop3_policy_row *row_ptrs[POP3_POLICY_LEVEL_ROWS];
	struct pop3_policy policy;
	unsigned int n, digits, level, cases = 1;

	test_begin("effective policy: a hold on any level wins");
	for (level = 0; level < POP3_POLICY_LEVEL_ROWS; level++)
		cases *= 3;
	for (n = 0; n < cases; n++) {
		enum pop3_policy_level yes_level = POP3_POLICY_LEVEL_BUILTIN;
		enum pop3_policy_level no_level = POP3_POLICY_LEVEL_BUILTIN;
		enum pop3_policy_level from;
		int64_t num;

		i_zero(&rows);
		digits = n;
		for (level = 0; level < POP3_POLICY_LEVEL_ROWS; level++) {
			row_ptrs[level] = &rows[level];
			if (digits % 3 > 0) {
				row_set(&rows[level],
					POP3_POLICY_PARAM_POP3_HOLD,
					digits % 3 == 2 ? POP3_POLICY_YES :
					POP3_POLICY_NO);
			}
			/* the first that says so */
			if (digits % 3 == 2 &&
			    yes_level == POP3_POLICY_LEVEL_BUILTIN)
				yes_level = (enum pop3_policy_level)level;
			if (digits % 3 == 1 &&
			    no_level == POP3_POLICY_LEVEL_BUILTIN)
				no_level = (enum pop3_policy_level)level;
			digits /= 3;
		}
		pop3_policy_merge(row_ptrs, &policy);
		num = pop3_policy_num(&policy, POP3_POLICY_PARAM_POP3_HOLD);
		from = policy.from[POP3_POLICY_PARAM_POP3_HOLD];
		if (yes_level != POP3_POLICY_LEVEL_BUILTIN) {
			test_assert_idx(num == POP3_POLICY_YES, n);
			test_assert_idx(from == yes_level, n);
		} else {
			test_assert_idx(num == POP3_POLICY_NO, n);
			test_assert_idx(from == no_level, n);
		}
	}
	test_end();
}
