/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Text forms of values. */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-param.h"
#include "test-pop3-policy-engine.h"

#define P(name) POP3_POLICY_PARAM_##name
#define SIZE_MAX_TEXT "4611686018427387904"

static const struct {
	enum pop3_policy_param param;
	const char *text, *canonical, *human;
} accepted[] = {
	{ P(ENFORCEMENT), "off", "off", "off" },
	{ P(ENFORCEMENT), "observe", "observe", "observe" },
	{ P(ENFORCEMENT), " Enforce\n", "enforce", "enforce" },
	{ P(POP3_ACCESS), "off", "off", "off" },
	{ P(POP3_ACCESS), "ON", "on", "on" },

	{ P(VIEW_SINCE), "never", "-1", "never" },
	{ P(VIEW_SINCE), "unlimited", "-1", "never" },
	{ P(VIEW_SINCE), "1970-01-01", "0", "1970-01-01" },
	{ P(VIEW_SINCE), "2026-01-31", "1769817600", "2026-01-31" },
	{ P(VIEW_SINCE), "2026-01-31 12:00", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31 12:00:05", "1769860805",
	  "2026-01-31 12:00:05 UTC" },
	{ P(VIEW_SINCE), "2026-01-31 12:00 UTC", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31T12:00:00Z", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31t12:00:00.999z", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31T13:00:00+01:00", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31 12:00:00+00", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-31 06:30 -0530", "1769860800",
	  "2026-01-31 12:00 UTC" },
	{ P(VIEW_SINCE), "2026-01-01T00:30:00+01:00", "1767223800",
	  "2025-12-31 23:30 UTC" },
	{ P(VIEW_SINCE), "2024-02-29", "1709164800", "2024-02-29" },
	{ P(VIEW_SINCE), "2000-02-29", "951782400", "2000-02-29" },
	{ P(VIEW_SINCE), "2016-12-31 23:59:60", "1483228800", "2017-01-01" },
	{ P(VIEW_SINCE), "9999-12-31 23:59:59", "253402300799",
	  "9999-12-31 23:59:59 UTC" },

	{ P(VIEW_WINDOW), "30d", "2592000", "30 days" },
	{ P(VIEW_WINDOW), "1s", "1", "1 second" },
	{ P(VIEW_WINDOW), "never", "-1", "unlimited" },
	{ P(VIEW_WINDOW), "Unlimited", "-1", "unlimited" },
	{ P(VIEW_WINDOW), "36525 days", "3155760000", "36525 days" },
	{ P(VIEW_LIMIT), "250", "250", "250" },
	{ P(VIEW_LIMIT), "007", "7", "7" },
	{ P(VIEW_LIMIT), "unlimited", "-1", "unlimited" },

	{ P(ON_RETRIEVE), "keep", "keep", "keep" },
	{ P(ON_RETRIEVE), "hide", "hide", "hide" },
	{ P(ON_RETRIEVE), "move", "move", "move" },
	{ P(ON_RETRIEVE), "delete", "delete", "delete" },
	{ P(ON_DELE), "delete", "delete", "delete" },
	{ P(ON_DELE), "hide", "hide", "hide" },
	{ P(ON_DELE), "move", "move", "move" },
	{ P(ON_DELE), "refuse", "refuse", "refuse" },
	{ P(MOVE_MAILBOX), "Trash", "Trash", "Trash" },
	{ P(MOVE_MAILBOX), "  POP/Deleted mail ", "POP/Deleted mail",
	  "POP/Deleted mail" },
	{ P(MOVE_MAILBOX), "INBOX/Old", "INBOX/Old", "INBOX/Old" },
	{ P(MOVE_MAILBOX), "Never", "Never", "Never" },
	{ P(MOVE_MAILBOX), "Gel\xc3\xb6scht", "Gel\xc3\xb6scht",
	  "Gel\xc3\xb6scht" },
	{ P(MARK_SEEN), "no", "no", "no" },
	{ P(MARK_SEEN), "yes", "yes", "yes" },
	{ P(MARK_SEEN), "as-configured", "as-configured", "as-configured" },

	{ P(EXPIRE_RETRIEVED), "14d", "1209600", "14 days" },
	{ P(EXPIRE_RETRIEVED), "14 days", "1209600", "14 days" },
	{ P(EXPIRE_RETRIEVED), "14\t DAYS", "1209600", "14 days" },
	{ P(EXPIRE_RETRIEVED), "1 day", "86400", "1 day" },
	{ P(EXPIRE_RETRIEVED), "24h", "86400", "1 day" },
	{ P(EXPIRE_RETRIEVED), "36h", "129600", "36 hours" },
	{ P(EXPIRE_RETRIEVED), "1 hour", "3600", "1 hour" },
	{ P(EXPIRE_RETRIEVED), "90m", "5400", "90 minutes" },
	{ P(EXPIRE_RETRIEVED), "1 min", "60", "1 minute" },
	{ P(EXPIRE_RETRIEVED), "30s", "30", "30 seconds" },
	{ P(EXPIRE_RETRIEVED), "100 secs", "100", "100 seconds" },
	{ P(EXPIRE_RETRIEVED), "2w", "1209600", "14 days" },
	{ P(EXPIRE_RETRIEVED), "3 weeks", "1814400", "21 days" },
	{ P(EXPIRE_RETRIEVED), "0", "0", "0 seconds" },
	{ P(EXPIRE_RETRIEVED), "0d", "0", "0 seconds" },
	{ P(EXPIRE_RETRIEVED), "never", "-1", "never" },
	{ P(EXPIRE_RETRIEVED), "NEVER", "-1", "never" },
	{ P(EXPIRE_RETRIEVED), "unlimited", "-1", "never" },
	{ P(EXPIRE_UNRETRIEVED), "60 days", "5184000", "60 days" },
	{ P(EXPIRE_UNRETRIEVED), "never", "-1", "never" },
	{ P(EXPIRE_HIDDEN), "1d", "86400", "1 day" },
	{ P(EXPIRE_HIDDEN), "0", "0", "0 seconds" },
	{ P(EXPIRE_HIDDEN), "never", "-1", "never" },

	{ P(LEAVE_MAX_MESSAGES), "0", "0", "0" },
	{ P(LEAVE_MAX_MESSAGES), "unlimited", "-1", "unlimited" },
	{ P(LEAVE_MAX_BYTES), "500M", "524288000", "500 MB" },
	{ P(LEAVE_MAX_BYTES), "500 MB", "524288000", "500 MB" },
	{ P(LEAVE_MAX_BYTES), "500 MiB", "524288000", "500 MB" },
	{ P(LEAVE_MAX_BYTES), "1G", "1073741824", "1 GB" },
	{ P(LEAVE_MAX_BYTES), "1024 mb", "1073741824", "1 GB" },
	{ P(LEAVE_MAX_BYTES), "2T", "2199023255552", "2 TB" },
	{ P(LEAVE_MAX_BYTES), "10k", "10240", "10 kB" },
	{ P(LEAVE_MAX_BYTES), "1000", "1000", "1000 bytes" },
	{ P(LEAVE_MAX_BYTES), "1 byte", "1", "1 byte" },
	{ P(LEAVE_MAX_BYTES), "7B", "7", "7 bytes" },
	{ P(LEAVE_MAX_BYTES), "0", "0", "0 bytes" },
	{ P(LEAVE_MAX_BYTES), SIZE_MAX_TEXT, SIZE_MAX_TEXT, "4194304 TB" },
	{ P(LEAVE_MAX_BYTES), "never", "-1", "unlimited" },
	{ P(QUOTA_STORAGE), "1G", "1073741824", "1 GB" },
	{ P(QUOTA_STORAGE), "unlimited", "-1", "unlimited" },
	{ P(QUOTA_STORAGE), "As-Configured", "-2", "as-configured" },
	{ P(QUOTA_MESSAGES), "10000", "10000", "10000" },
	{ P(QUOTA_MESSAGES), "unlimited", "-1", "unlimited" },
	{ P(QUOTA_MESSAGES), "as-configured", "-2", "as-configured" },
	{ P(QUOTA_ACTION), "reject", "reject", "reject" },
	{ P(QUOTA_ACTION), "defer", "defer", "defer" },
	{ P(QUOTA_ACTION), "evict", "evict", "evict" },
	{ P(QUOTA_WARN), "80,95", "80,95", "80%, 95%" },
	{ P(QUOTA_WARN), "80%, 95 %", "80,95", "80%, 95%" },
	{ P(QUOTA_WARN), "100", "100", "100%" },
	{ P(QUOTA_WARN), " 1 , 50,100", "1,50,100", "1%, 50%, 100%" },
	{ P(QUOTA_WARN), "none", "", "none" },
	{ P(QUOTA_WARN), "never", "", "none" },
	{ P(QUOTA_WARN), "", "", "none" },

	{ P(LOGIN_DELAY), "0", "0", "0 seconds" },
	{ P(LOGIN_DELAY), "10 minutes", "600", "10 minutes" },
	{ P(DOWNLOAD_DAILY), "1250 MB", "1310720000", "1250 MB" },
	{ P(DOWNLOAD_DAILY), "unlimited", "-1", "unlimited" },
	{ P(TOP_LINES), "0", "0", "0" },
	{ P(TOP_LINES), "unlimited", "-1", "unlimited" },
	{ P(MASS_DELETE_PERCENT), "50", "50", "50%" },
	{ P(MASS_DELETE_PERCENT), "50%", "50", "50%" },
	{ P(MASS_DELETE_PERCENT), "50 %", "50", "50%" },
	{ P(MASS_DELETE_PERCENT), "never", "-1", "never" },
	{ P(MASS_DELETE_HOLD), "7d", "604800", "7 days" },
	{ P(MASS_DELETE_HOLD), "unlimited", "-1", "unlimited" },
	{ P(POP3_HOLD), "yes", "yes", "yes" },
	{ P(POP3_HOLD), "no", "no", "no" },
	{ P(NOTIFY), "yes", "yes", "yes" },
	{ P(NOTIFY), "no", "no", "no" },
};

#define TIME_HOW "use seconds, minutes, hours, days or weeks, such as 14d, 36h"
#define SIZE_HOW "use bytes, kB, MB, GB or TB, such as 500M, 1G"
#define STAMP_HOW "use 2026-01-31, 2026-01-31 12:00 (UTC) or " \
	"2026-01-31T12:00:00+01:00, or never"
#define STAMP_NOT(text) { P(VIEW_SINCE), text, \
	"view_since: \"" text "\" is not a date or time: " STAMP_HOW }
#define PERCENTS_NOT(text) { P(QUOTA_WARN), text, \
	"quota_warn: \"" text "\" is not a list of percents: use ascending " \
	"whole percents from 1 to 100, such as 80,95, or none" }
#define TIME_NOT(text) { P(EXPIRE_RETRIEVED), text, \
	"expire_retrieved: \"" text "\" is not a time: " TIME_HOW \
	", or never" }
#define SIZE_NOT(text) { P(LEAVE_MAX_BYTES), text, \
	"leave_max_bytes: \"" text "\" is not a size: " SIZE_HOW \
	", or unlimited" }

static const struct {
	enum pop3_policy_param param;
	const char *text, *error;
} refused[] = {
	{ P(ENFORCEMENT), "on",
	  "enforcement: \"on\" is not allowed: use off, observe or enforce" },
	{ P(ENFORCEMENT), "",
	  "enforcement: \"\" is not allowed: use off, observe or enforce" },
	{ P(POP3_ACCESS), "yes",
	  "pop3_access: \"yes\" is not allowed: use off or on" },
	STAMP_NOT(""),
	STAMP_NOT("yesterday"),
	STAMP_NOT("0"),
	STAMP_NOT("2026-1-31"),
	STAMP_NOT("2026-02-29"),
	STAMP_NOT("2100-02-29"),
	STAMP_NOT("2026-00-10"),
	STAMP_NOT("2026-13-10"),
	STAMP_NOT("2026-04-31"),
	STAMP_NOT("2026-04-00"),
	STAMP_NOT("2026-01-31 24:00"),
	STAMP_NOT("2026-01-31 12:60"),
	STAMP_NOT("2026-01-31 12:00:61"),
	STAMP_NOT("2026-01-31 12"),
	STAMP_NOT("2026-01-31 12:00:00."),
	STAMP_NOT("2026-01-31 12:00 CET"),
	STAMP_NOT("2026-01-31 12:00+1"),
	STAMP_NOT("2026-01-31 12:00+24:00"),
	STAMP_NOT("2026-01-31 12:00+01:60"),
	STAMP_NOT("2026-01-31 12:00+01:00x"),
	STAMP_NOT("20260131"),
	{ P(VIEW_SINCE), "1969-12-31", "view_since: \"1969-12-31\" is out of "
	  "range: use 1970-01-01 to 9999-12-31 23:59:59 UTC, or never" },
	{ P(VIEW_SINCE), "0000-03-01", "view_since: \"0000-03-01\" is out of "
	  "range: use 1970-01-01 to 9999-12-31 23:59:59 UTC, or never" },
	{ P(VIEW_SINCE), "9999-12-31 23:59:59-01:00",
	  "view_since: \"9999-12-31 23:59:59-01:00\" is out of "
	  "range: use 1970-01-01 to 9999-12-31 23:59:59 UTC, or never" },
	{ P(VIEW_WINDOW), "0", "view_window: \"0\" is out of range: "
	  "use 1 second to 36525 days, or unlimited" },
	{ P(VIEW_WINDOW), "2026-01-31", "view_window: \"2026-01-31\" is not a "
	  "time: " TIME_HOW ", or unlimited" },
	{ P(VIEW_LIMIT), "0", "view_limit: \"0\" is out of range: "
	  "use 1 to 2147483647, or unlimited" },
	{ P(VIEW_LIMIT), "2147483648", "view_limit: \"2147483648\" is out of "
	  "range: use 1 to 2147483647, or unlimited" },
	{ P(VIEW_LIMIT), "many", "view_limit: \"many\" is not a whole number: "
	  "use a whole number, or unlimited" },
	{ P(VIEW_LIMIT), "-5", "view_limit: \"-5\" is not a whole number: "
	  "use a whole number, or unlimited" },
	{ P(VIEW_LIMIT), "10k", "view_limit: \"10k\" is not a whole number: "
	  "use a whole number, or unlimited" },
	{ P(VIEW_LIMIT), "1.5", "view_limit: \"1.5\" is not a whole number: "
	  "use a whole number, or unlimited" },
	{ P(ON_RETRIEVE), "refuse", "on_retrieve: \"refuse\" is not allowed: "
	  "use keep, hide, move or delete" },
	{ P(ON_DELE), "keep", "on_dele: \"keep\" is not allowed: "
	  "use delete, hide, move or refuse" },
	{ P(MARK_SEEN), "-2", "mark_seen: \"-2\" is not allowed: "
	  "use no, yes or as-configured" },

	TIME_NOT(""),
	TIME_NOT("14 months"),
	TIME_NOT("1 month"),
	TIME_NOT("3M"),
	TIME_NOT("1y"),
	TIME_NOT("2 years"),
	TIME_NOT("d"),
	TIME_NOT("-1"),
	TIME_NOT("-1d"),
	TIME_NOT("+1d"),
	TIME_NOT("1.5d"),
	TIME_NOT("1d 12h"),
	TIME_NOT("14 dayss"),
	TIME_NOT("day day"),
	TIME_NOT("1 day days"),
	TIME_NOT("none"),
	TIME_NOT("as-configured"),
	{ P(EXPIRE_RETRIEVED), "14", "expire_retrieved: \"14\" has no unit: "
	  TIME_HOW ", or never" },
	{ P(EXPIRE_RETRIEVED), "36526d", "expire_retrieved: \"36526d\" is out "
	  "of range: use 0 seconds to 36525 days, or never" },
	{ P(EXPIRE_RETRIEVED), "9223372036854775807w",
	  "expire_retrieved: \"9223372036854775807w\" is out "
	  "of range: use 0 seconds to 36525 days, or never" },
	{ P(EXPIRE_RETRIEVED), "99999999999999999999999999s",
	  "expire_retrieved: \"99999999999999999999999999s\" is out "
	  "of range: use 0 seconds to 36525 days, or never" },
	/* in 64 bits these would be 60 seconds */
	{ P(EXPIRE_RETRIEVED), "4611686018427387905m",
	  "expire_retrieved: \"4611686018427387905m\" is out "
	  "of range: use 0 seconds to 36525 days, or never" },
	{ P(EXPIRE_RETRIEVED), "13835058055282163713m",
	  "expire_retrieved: \"13835058055282163713m\" is out "
	  "of range: use 0 seconds to 36525 days, or never" },
	{ P(EXPIRE_UNRETRIEVED), "0", "expire_unretrieved: \"0\" is out of "
	  "range: use 1 second to 36525 days, or never" },
	{ P(EXPIRE_HIDDEN), "1 month", "expire_hidden: \"1 month\" is not a "
	  "time: " TIME_HOW ", or never" },

	{ P(LEAVE_MAX_MESSAGES), "-1", "leave_max_messages: \"-1\" is not a "
	  "whole number: use a whole number, or unlimited" },
	SIZE_NOT("lots"),
	SIZE_NOT("1.5G"),
	SIZE_NOT("1 X"),
	SIZE_NOT("M"),
	SIZE_NOT("-1"),
	SIZE_NOT("14d"),
	{ P(LEAVE_MAX_BYTES), "4194305T", "leave_max_bytes: \"4194305T\" is "
	  "out of range: use 0 bytes to 4194304 TB, or unlimited" },
	{ P(LEAVE_MAX_BYTES), "4611686018427387905",
	  "leave_max_bytes: \"4611686018427387905\" is "
	  "out of range: use 0 bytes to 4194304 TB, or unlimited" },
	/* in 64 bits this would be 1 kB */
	{ P(LEAVE_MAX_BYTES), "18014398509481985k",
	  "leave_max_bytes: \"18014398509481985k\" is "
	  "out of range: use 0 bytes to 4194304 TB, or unlimited" },
	{ P(QUOTA_STORAGE), "0", "quota_storage: \"0\" is out of range: "
	  "use 1 byte to 4194304 TB, unlimited or as-configured" },
	{ P(QUOTA_STORAGE), "big", "quota_storage: \"big\" is not a size: "
	  SIZE_HOW ", unlimited or as-configured" },
	{ P(QUOTA_MESSAGES), "0", "quota_messages: \"0\" is out of range: "
	  "use 1 to 2147483647, unlimited or as-configured" },
	{ P(QUOTA_ACTION), "drop", "quota_action: \"drop\" is not allowed: "
	  "use reject, defer or evict" },
	PERCENTS_NOT("95,80"),
	PERCENTS_NOT("80,80"),
	PERCENTS_NOT("0"),
	PERCENTS_NOT("101"),
	PERCENTS_NOT("80,"),
	PERCENTS_NOT(",80"),
	PERCENTS_NOT("80,,95"),
	PERCENTS_NOT("80 95"),
	PERCENTS_NOT("80%%"),
	PERCENTS_NOT("-1"),
	PERCENTS_NOT("half"),
	PERCENTS_NOT("18446744073709551696"),

	{ P(LOGIN_DELAY), "never", "login_delay: \"never\" is not a time: "
	  TIME_HOW },
	{ P(LOGIN_DELAY), "600", "login_delay: \"600\" has no unit: "
	  TIME_HOW },
	{ P(LOGIN_DELAY), "40000d", "login_delay: \"40000d\" is out of range: "
	  "use 0 seconds to 36525 days" },
	{ P(DOWNLOAD_DAILY), "0", "download_daily: \"0\" is out of range: "
	  "use 1 byte to 4194304 TB, or unlimited" },
	{ P(TOP_LINES), "x", "top_lines: \"x\" is not a whole number: "
	  "use a whole number, or unlimited" },
	{ P(MASS_DELETE_PERCENT), "0", "mass_delete_percent: \"0\" is out of "
	  "range: use 1% to 100%, or never" },
	{ P(MASS_DELETE_PERCENT), "101%", "mass_delete_percent: \"101%\" is "
	  "out of range: use 1% to 100%, or never" },
	{ P(MASS_DELETE_PERCENT), "half", "mass_delete_percent: \"half\" is "
	  "not a percentage: use a whole number, such as 50%, or never" },
	{ P(MASS_DELETE_HOLD), "7", "mass_delete_hold: \"7\" has no unit: "
	  TIME_HOW ", or unlimited" },
	{ P(POP3_HOLD), "on", "pop3_hold: \"on\" is not allowed: "
	  "use no or yes" },
	{ P(NOTIFY), "1", "notify: \"1\" is not allowed: use no or yes" },

	/* what an error repeats is short and printable */
	{ P(NOTIFY), "a\tb\x1b[2J", "notify: \"a?b?[2J\" is not allowed: "
	  "use no or yes" },
	{ P(NOTIFY), "0123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789x",
	  "notify: \"0123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456...\" is not allowed: "
	  "use no or yes" },
};

void test_value_accepted(void)
{
	bool seen[POP3_POLICY_PARAM_COUNT] = { FALSE, };
	struct pop3_policy_value value;
	const char *error;
	unsigned int i;
	pool_t pool;

	test_begin("values accepted");
	for (i = 0; i < N_ELEMENTS(accepted); i++) {
		enum pop3_policy_param param = accepted[i].param;

		pool = pool_alloconly_create("value", 256);
		error = NULL;
		test_assert_idx(pop3_policy_value_parse(pool, param,
				accepted[i].text, &value, &error) == 0, i);
		test_assert_strcmp_idx(error, NULL, i);
		test_assert_strcmp_idx(
			pop3_policy_value_canonical(param, &value),
			accepted[i].canonical, i);
		test_assert_strcmp_idx(pop3_policy_value_human(param, &value),
				       accepted[i].human, i);

		/* both forms can be read back */
		test_assert_idx(pop3_policy_value_parse_canonical(pool, param,
				accepted[i].canonical, &value, &error) == 0, i);
		test_assert_strcmp_idx(pop3_policy_value_human(param, &value),
				       accepted[i].human, i);
		test_assert_idx(pop3_policy_value_parse(pool, param,
				accepted[i].human, &value, &error) == 0, i);
		test_assert_strcmp_idx(
			pop3_policy_value_canonical(param, &value),
			accepted[i].canonical, i);
		pool_unref(&pool);
		seen[param] = TRUE;
	}
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++)
		test_assert_idx(seen[i], i);
	test_end();
}

void test_value_refused(void)
{
	bool seen[POP3_POLICY_PARAM_COUNT] = { FALSE, };
	struct pop3_policy_value value;
	const char *error;
	unsigned int i;

	test_begin("values refused");
	for (i = 0; i < N_ELEMENTS(refused); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_value_parse(
			pool_datastack_create(), refused[i].param,
			refused[i].text, &value, &error) == -1, i);
		test_assert_strcmp_idx(error, refused[i].error, i);
		seen[refused[i].param] = TRUE;
	}
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		/* has a test of its own */
		test_assert_idx(seen[i] || i == P(MOVE_MAILBOX), i);
	}
	test_end();
}

static const char *repeated(const char *text, unsigned int count)
{
	string_t *str = t_str_new(512);

	while (count-- > 0)
		str_append(str, text);
	return str_c(str);
}

void test_value_mailbox(void)
{
	const struct {
		const char *name, *problem;
	} tests[] = {
		{ "a", NULL },
		{ "Trash.2026", NULL },
		{ "INBOXES", NULL },
		{ "\xe5\x9e\x83\xe5\x9c\xbe\xe7\xae\xb1", NULL },
		{ "\xf0\x9f\x97\x91", NULL },
		{ "\xc2\xa0", NULL },
		{ repeated("x", 255), NULL },
		{ t_strconcat(repeated("\xc3\xa4", 127), "x", NULL), NULL },
		{ "", "is empty" },
		{ repeated("x", 256), "is too long" },
		{ repeated("\xc3\xa4", 128), "is too long" },
		{ "INBOX", "is where POP3 mail comes from" },
		{ "Inbox", "is where POP3 mail comes from" },
		{ "inbox", "is where POP3 mail comes from" },
		{ "a\x01z", "has control characters" },
		{ "a\x1fz", "has control characters" },
		{ "a\tz", "has control characters" },
		{ "a\nz", "has control characters" },
		{ "a\x7fz", "has control characters" },
		{ "a\xc2\x80z", "has control characters" },
		{ "a\xc2\x9fz", "has control characters" },
		{ "a\xff", "is not valid UTF-8" },
		{ "a\xc3", "is not valid UTF-8" },
		{ "\xed\xa0\x80", "is not valid UTF-8" },
		{ "\xc0\xaf", "is not valid UTF-8" },
	};
	struct pop3_policy_value value;
	const char *error;
	unsigned int i, form;

	test_begin("values: mailbox names");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		for (form = 0; form < 2; form++) {
			int ret = form == 0 ?
				pop3_policy_value_parse(
					pool_datastack_create(),
					P(MOVE_MAILBOX), tests[i].name,
					&value, &error) :
				pop3_policy_value_parse_canonical(
					pool_datastack_create(),
					P(MOVE_MAILBOX), tests[i].name,
					&value, &error);

			if (tests[i].problem == NULL) {
				test_assert_idx(ret == 0, i);
				test_assert_strcmp_idx(value.str,
						       tests[i].name, i);
				test_assert_idx(value.str != tests[i].name, i);
				continue;
			}
			test_assert_idx(ret == -1, i);
			test_assert_idx(str_begins_with(error,
						   "move_mailbox: \""), i);
			test_assert_idx(strstr(error, t_strconcat("\" ",
				tests[i].problem, ": use the name of a mailbox "
				"other than INBOX, at most 255 bytes of UTF-8 "
				"without control characters", NULL)) != NULL,
				i);
		}
	}
	test_end();
}

void test_value_canonical_refused(void)
{
#define SECONDS "use 0 to 3155760000 seconds"
	static const struct {
		enum pop3_policy_param param;
		const char *text, *error;
	} tests[] = {
		{ P(ON_DELE), "Hide", "on_dele: \"Hide\" is not allowed: "
		  "use delete, hide, move or refuse" },
		{ P(ON_DELE), "1", "on_dele: \"1\" is not allowed: "
		  "use delete, hide, move or refuse" },
		{ P(EXPIRE_RETRIEVED), "14d", "expire_retrieved: \"14d\" is "
		  "not a plain number: " SECONDS ", -1 for never" },
		{ P(EXPIRE_RETRIEVED), "never", "expire_retrieved: \"never\" "
		  "is not a plain number: " SECONDS ", -1 for never" },
		{ P(EXPIRE_RETRIEVED), "-2", "expire_retrieved: \"-2\" is out "
		  "of range: " SECONDS ", -1 for never" },
		{ P(LOGIN_DELAY), "", "login_delay: \"\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "-1", "login_delay: \"-1\" is out of range: "
		  SECONDS },
		{ P(LOGIN_DELAY), "+1", "login_delay: \"+1\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "01", "login_delay: \"01\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "00", "login_delay: \"00\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "-0", "login_delay: \"-0\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "-", "login_delay: \"-\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), " 1", "login_delay: \" 1\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "1 ", "login_delay: \"1 \" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "1.0", "login_delay: \"1.0\" is not a plain "
		  "number: " SECONDS },
		{ P(LOGIN_DELAY), "9223372036854775808",
		  "login_delay: \"9223372036854775808\" is not a plain "
		  "number: " SECONDS },
		{ P(QUOTA_STORAGE), "-3", "quota_storage: \"-3\" is out of "
		  "range: use 1 to " SIZE_MAX_TEXT " bytes, -1 for unlimited, "
		  "-2 for as-configured" },
		{ P(VIEW_SINCE), "2026-01-31", "view_since: \"2026-01-31\" is "
		  "not a plain number: use 0 to 253402300799 seconds since "
		  "1970, -1 for never" },
		{ P(VIEW_LIMIT), "0", "view_limit: \"0\" is out of range: "
		  "use 1 to 2147483647, -1 for unlimited" },
		{ P(QUOTA_WARN), "80, 95", "quota_warn: \"80, 95\" is not a "
		  "plain list of percents: use ascending whole percents from "
		  "1 to 100, such as 80,95, or none" },
		{ P(QUOTA_WARN), "80%", "quota_warn: \"80%\" is not a "
		  "plain list of percents: use ascending whole percents from "
		  "1 to 100, such as 80,95, or none" },
		{ P(QUOTA_WARN), "080", "quota_warn: \"080\" is not a "
		  "plain list of percents: use ascending whole percents from "
		  "1 to 100, such as 80,95, or none" },
		{ P(QUOTA_WARN), "none", "quota_warn: \"none\" is not a "
		  "plain list of percents: use ascending whole percents from "
		  "1 to 100, such as 80,95, or none" },
	};
	struct pop3_policy_value value;
	const char *error;

	test_begin("values refused in canonical form");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_value_parse_canonical(
			pool_datastack_create(), tests[i].param,
			tests[i].text, &value, &error) == -1, i);
		test_assert_strcmp_idx(error, tests[i].error, i);
	}
	test_end();
}
