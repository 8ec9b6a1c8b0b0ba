/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The table of parameters, and names in it. */

#include "lib.h"
#include "strfuncs.h"
#include "test-common.h"
#include "pop3-policy-param.h"
#include "test-pop3-policy-engine.h"

/* In the order of the database's columns, which nothing may change. */
static const struct {
	const char *name;
	const char *builtin;
	const char *allowed;
} expected[] = {
	{ "enforcement", "observe", "off, observe or enforce" },
	{ "pop3_access", "on", "off or on" },
	{ "view_since", "-1", "1970-01-01 to 9999-12-31 23:59:59 UTC, "
	  "or never" },
	{ "view_window", "-1", "1 second to 36525 days, or unlimited" },
	{ "view_limit", "-1", "1 to 2147483647, or unlimited" },
	{ "on_retrieve", "keep", "keep, hide, move or delete" },
	{ "on_dele", "delete", "delete, hide, move or refuse" },
	{ "move_mailbox", "Trash", "the name of a mailbox other than INBOX, "
	  "at most 255 bytes of UTF-8 without control characters" },
	{ "mark_seen", "as-configured", "no, yes or as-configured" },
	{ "expire_retrieved", "-1", "0 seconds to 36525 days, or never" },
	{ "expire_unretrieved", "-1", "1 second to 36525 days, or never" },
	{ "expire_hidden", "-1", "0 seconds to 36525 days, or never" },
	{ "leave_max_messages", "-1", "0 to 2147483647, or unlimited" },
	{ "leave_max_bytes", "-1", "0 bytes to 4194304 TB, or unlimited" },
	{ "quota_storage", "-2", "1 byte to 4194304 TB, unlimited or "
	  "as-configured" },
	{ "quota_messages", "-2", "1 to 2147483647, unlimited or "
	  "as-configured" },
	{ "quota_action", "reject", "reject, defer or evict" },
	{ "quota_warn", "80,95", "ascending whole percents from 1 to 100, "
	  "such as 80,95, or none" },
	{ "login_delay", "0", "0 seconds to 36525 days" },
	{ "download_daily", "-1", "1 byte to 4194304 TB, or unlimited" },
	{ "top_lines", "-1", "0 to 2147483647, or unlimited" },
	{ "mass_delete_percent", "-1", "1% to 100%, or never" },
	{ "mass_delete_hold", "604800", "0 seconds to 36525 days, "
	  "or unlimited" },
	{ "pop3_hold", "no", "no or yes" },
	{ "notify", "no", "no or yes" },
};
_Static_assert(N_ELEMENTS(expected) == POP3_POLICY_PARAM_COUNT,
	       "every parameter is expected");

void test_param_table(void)
{
	test_begin("param table");
	for (unsigned int i = 0; i < N_ELEMENTS(expected); i++) {
		const struct pop3_policy_param_info *info =
			pop3_policy_param_info((enum pop3_policy_param)i);
		const char *desc = info->description;

		test_assert_strcmp_idx(info->name, expected[i].name, i);
		test_assert_strcmp_idx(info->builtin, expected[i].builtin, i);
		test_assert_idx((info->type == POP3_POLICY_TYPE_ENUM) ==
				(info->words != NULL), i);
		/* one sentence */
		test_assert_idx(desc != NULL && strlen(desc) > 20, i);
		test_assert_idx(desc[strlen(desc) - 1] == '.' &&
				strstr(desc, ". ") == NULL, i);
	}
	test_end();
}

void test_param_allowed(void)
{
	test_begin("param allowed");
	for (unsigned int i = 0; i < N_ELEMENTS(expected); i++) {
		test_assert_strcmp_idx(
			pop3_policy_param_allowed((enum pop3_policy_param)i),
			expected[i].allowed, i);
	}
	test_end();
}

void test_param_find(void)
{
	static const struct {
		const char *name, *nearest;
	} unknown[] = {
		{ "on_delete", "on_dele" },
		{ "On_Dele", "on_dele" },
		{ "on-retrieve", "on_retrieve" },
		{ "expire retrieved", "expire_retrieved" },
		{ "expire_unretreived", "expire_unretrieved" },
		{ "expire_hiden", "expire_hidden" },
		{ "quota_storge", "quota_storage" },
		{ "hold", "pop3_hold" },
		{ "enforce", "enforcement" },
		{ "view_windows", "view_window" },
	};
	static const char *const hopeless[] = {
		"", "x", "\xff\xfe", "=",
		"a_name_much_longer_than_any_in_the_table_of_parameters",
	};
	enum pop3_policy_param param;
	const char *nearest;
	unsigned int i;

	test_begin("param find");
	for (i = 0; i < N_ELEMENTS(expected); i++) {
		param = POP3_POLICY_PARAM_COUNT;
		nearest = NULL;
		test_assert_idx(pop3_policy_param_find(expected[i].name,
						       &param, &nearest), i);
		test_assert_idx(param == (enum pop3_policy_param)i, i);
		test_assert_strcmp_idx(nearest, expected[i].name, i);
	}
	for (i = 0; i < N_ELEMENTS(unknown); i++) {
		nearest = NULL;
		test_assert_idx(!pop3_policy_param_find(unknown[i].name,
							&param, &nearest), i);
		test_assert_strcmp_idx(nearest, unknown[i].nearest, i);
	}
	for (i = 0; i < N_ELEMENTS(hopeless); i++) {
		nearest = NULL;
		test_assert_idx(!pop3_policy_param_find(hopeless[i],
							&param, &nearest), i);
		/* something, and a name of ours */
		test_assert_idx(nearest != NULL &&
				pop3_policy_param_find(nearest, &param,
						       &nearest), i);
	}
	test_end();
}
