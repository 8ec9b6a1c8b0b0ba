/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-words.h"
#include "test-pop3-policy-notice.h"

static struct pop3_policy_words *words_get(const char *text)
{
	struct pop3_policy_words *words;
	const char *error;

	if (pop3_policy_words_parse(pool_datastack_create(), text, &words,
				    &error) < 0)
		i_fatal("%s", error);
	return words;
}

static struct pop3_policy_words *shipped_words(void)
{
	return words_get(test_notice_file("rules.txt"));
}

void test_words_values(void)
{
	static const struct {
		uint64_t num;
		const char *result;
	} times[] = {
		{ 0, "0 seconds" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "1 minute" },
		{ 90, "90 seconds" },
		{ 5400, "90 minutes" },
		{ 3600, "1 hour" },
		{ 129600, "36 hours" },
		{ 86400, "1 day" },
		{ 14 * 86400, "14 days" },
		{ 36525ULL * 86400, "36525 days" },
	}, sizes[] = {
		{ 0, "0 bytes" },
		{ 1, "1 byte" },
		{ 1023, "1023 bytes" },
		{ 1024, "1 kB" },
		{ 1536, "1.5 kB" },
		{ 2047, "1.9 kB" },
		{ 2048, "2 kB" },
		{ 10 * 1024 - 1, "9.9 kB" },
		{ 10 * 1024 + 512, "10 kB" },
		{ 500ULL << 20, "500 MB" },
		{ (500ULL << 20) - 1, "499 MB" },
		{ 1536ULL << 20, "1.5 GB" },
		{ 1ULL << 40, "1 TB" },
		{ 1ULL << 62, "4194304 TB" },
	}, counts[] = {
		{ 0, "0 messages" },
		{ 1, "1 message" },
		{ 2, "2 messages" },
	};
	struct pop3_policy_words *words = shipped_words();

	test_begin("words: values");
	for (unsigned int i = 0; i < N_ELEMENTS(times); i++) {
		test_assert_strcmp_idx(pop3_policy_words_time(words,
			times[i].num), times[i].result, i);
	}
	for (unsigned int i = 0; i < N_ELEMENTS(sizes); i++) {
		test_assert_strcmp_idx(pop3_policy_words_size(words,
			sizes[i].num), sizes[i].result, i);
	}
	for (unsigned int i = 0; i < N_ELEMENTS(counts); i++) {
		test_assert_strcmp_idx(pop3_policy_words_messages(words,
			counts[i].num), counts[i].result, i);
	}
	/* 2026-12-31 23:30:05 UTC is next year already, here */
	test_assert_strcmp(pop3_policy_words_date(words, 1798759805),
			   "1 January 2027");
	test_assert_strcmp(pop3_policy_words_clock(words, 1798759805),
			   "00:30");
	test_assert_strcmp(pop3_policy_words_date(words, 1798753500),
			   "31 December 2026");
	test_assert_strcmp(pop3_policy_words_clock(words, 1798753500),
			   "22:45");
	test_end();
}

void test_words_rules(void)
{
	static const struct {
		enum pop3_policy_param param;
		const char *value, *result;
	} tests[] = {
		{ POP3_POLICY_PARAM_EXPIRE_RETRIEVED, "14 days",
		  "Mail that you have downloaded is deleted from the server "
		  "14 days after that." },
		{ POP3_POLICY_PARAM_EXPIRE_RETRIEVED, "1d",
		  "Mail that you have downloaded is deleted from the server "
		  "1 day after that." },
		{ POP3_POLICY_PARAM_EXPIRE_RETRIEVED, "0",
		  "Mail that you have downloaded is deleted from the server "
		  "when you next look for mail." },
		{ POP3_POLICY_PARAM_EXPIRE_RETRIEVED, "never",
		  "Mail that you have downloaded is not deleted from the "
		  "server because of its age." },
		{ POP3_POLICY_PARAM_VIEW_SINCE, "2026-01-31 12:00",
		  "Your mail program is shown only mail that arrived since "
		  "31 January 2026 13:00." },
		{ POP3_POLICY_PARAM_VIEW_SINCE, "1970-01-01",
		  "Your mail program is shown only mail that arrived since "
		  "1 January 1970 01:00." },
		{ POP3_POLICY_PARAM_ON_RETRIEVE, "keep",
		  "Mail stays on the server when you have downloaded it." },
		{ POP3_POLICY_PARAM_ON_DELE, "refuse",
		  "Your mail program cannot delete mail from the server." },
		{ POP3_POLICY_PARAM_QUOTA_STORAGE, "500M",
		  "Your mailbox may hold 500 MB." },
		{ POP3_POLICY_PARAM_QUOTA_STORAGE, "unlimited",
		  "Your mailbox may hold any amount of mail." },
		{ POP3_POLICY_PARAM_QUOTA_STORAGE, "as-configured",
		  "Your mailbox may hold what is usual on this server." },
		{ POP3_POLICY_PARAM_QUOTA_MESSAGES, "1",
		  "Your mailbox may hold 1 message." },
		{ POP3_POLICY_PARAM_QUOTA_MESSAGES, "1000",
		  "Your mailbox may hold 1000 messages." },
		{ POP3_POLICY_PARAM_TOP_LINES, "0",
		  "When your mail program only previews a message, it gets no "
		  "text of it." },
		{ POP3_POLICY_PARAM_TOP_LINES, "1",
		  "When your mail program only previews a message, it gets at "
		  "most 1 line of its text." },
		{ POP3_POLICY_PARAM_LOGIN_DELAY, "10 minutes",
		  "Your mail program may look for mail once in 10 minutes." },
	};
	struct pop3_policy_words *words = shipped_words();
	struct pop3_policy_value value;
	const char *error = "";

	test_begin("words: rules");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(pop3_policy_value_parse(
			pool_datastack_create(), tests[i].param,
			tests[i].value, &value, &error) == 0, i);
		test_assert_strcmp_idx(pop3_policy_words_rule(words,
			tests[i].param, &value), tests[i].result, i);
	}
	test_end();
}

/* Every value that a parameter may have makes a sentence. */
void test_words_every_rule(void)
{
	static const int64_t nums[] = { -2, -1, 0, 1, 2, 59, 86400, 1 << 30 };
	struct pop3_policy_words *words = shipped_words();
	const struct pop3_policy_param_info *info;
	struct pop3_policy_value value, parsed;
	const char *sentence, *error;
	unsigned int param, i, count = 0;

	test_begin("words: every rule");
	for (param = 0; param < POP3_POLICY_PARAM_COUNT; param++) {
		if (!pop3_policy_param_concerns_owner(param))
			continue;
		info = pop3_policy_param_info(param);
		for (i = 0; i < N_ELEMENTS(nums); i++) T_BEGIN {
			i_zero(&value);
			value.num = nums[i];
			if (info->type == POP3_POLICY_TYPE_ENUM ?
			    nums[i] >= 0 && nums[i] <= 3 &&
			    info->words[nums[i]] != NULL :
			    pop3_policy_value_parse_canonical(
				pool_datastack_create(), param,
				dec2str(nums[i]), &parsed, &error) == 0) {
				sentence = pop3_policy_words_rule(words, param,
								  &value);
				test_assert_idx(*sentence != '\0' &&
					sentence[strlen(sentence)-1] == '.' &&
					strchr(sentence, '%') == NULL, param);
				count++;
			}
		} T_END;
	}
	/* at least three of each of the fourteen */
	test_assert(count >= 14 * 3);
	test_end();
}

static const char *shipped_with(const char *from, const char *to)
{
	const char *text = test_notice_file("rules.txt");
	const char *p = strstr(text, from);

	i_assert(p != NULL);
	return t_strconcat(t_strdup_until(text, p), to, p + strlen(from),
			   NULL);
}

void test_words_translated(void)
{
	struct pop3_policy_words *words;
	struct pop3_policy_value value = { .num = 14 * 86400 };

	test_begin("words: translated");
	words = words_get(shipped_with("decimal = .", "decimal=,"));
	test_assert_strcmp(pop3_policy_words_size(words, 1536), "1,5 kB");
	words = words_get(shipped_with("%{day} %{month} %{year}",
				       "%{day}. %{month} %{year}"));
	test_assert_strcmp(pop3_policy_words_date(words, 0),
			   "1. January 1970");
	words = words_get(shipped_with("%{n} %{n?day|days}",
				       "%{n} %{n?Tag|Tage}"));
	test_assert_strcmp(pop3_policy_words_time(words, 86400), "1 Tag");
	test_assert_strcmp(pop3_policy_words_rule(words,
		POP3_POLICY_PARAM_VIEW_WINDOW, &value),
		"Your mail program is shown only mail of the last 14 Tage.");
	/* a special value without words of its own */
	words = words_get(shipped_with("expire_retrieved/0 =", "#"));
	value.num = 0;
	test_assert_strcmp(pop3_policy_words_rule(words,
		POP3_POLICY_PARAM_EXPIRE_RETRIEVED, &value),
		"Mail that you have downloaded is deleted from the server "
		"0 seconds after that.");
	test_end();
}

void test_words_refused(void)
{
	static const struct {
		const char *from, *to, *error;
	} tests[] = {
		{ "\ndate = ", "\ndat = ", "\"dat\" is not known: use "
			"date, clock, decimal, month/1 to month/12, " },
		{ "\ndate = ", "\ndate ", "\"date %{day} %{month} "
			"%{year}\" is not a line \"key = text\"" },
		{ "\nclock = ", "\ndate = ", "a second date: use one" },
		{ "\nview_window = ", "\nview_since = ",
		  "a second view_since: use one" },
		{ "%{day} %{month}", "%{date} %{month}", "%{date} is "
			"not known here: use %{day}, %{month} or %{year}" },
		{ "month/1 = January", "month/1 =", "month/1 is "
			"empty: use \"month/1 = text\"" },
		{ "month/1 = January", "month/1 = %{month}", "%{month} is not "
			"known here: use no variables" },
		{ "size/kB = %{n} kB", "size/kB = %{n?a|b}", "%{n?...}: n is "
			"no whole number to choose by: " },
		{ "view_since/never", "view_since/always",
		  "\"view_since/always\" is not known: use view_since, or "
		  "view_since/ and one of: never" },
		{ "on_dele/refuse", "on_dele/ignore", "\"on_dele/ignore\" is "
			"not known: use on_dele, or on_dele/ and one of: "
			"delete, hide, move, refuse" },
		{ "quota_storage/as-configured", "quota_storage/builtin",
		  "\"quota_storage/builtin\" is not known: use "
		  "quota_storage, or quota_storage/ and one of: unlimited, "
		  "as-configured" },
		/* the owner is not told of it */
		{ "top_lines/0", "mark_seen/yes", "\"mark_seen/yes\" "
			"is not known: " },
		{ "view_window = ", "#", "the file ends, and "
			"view_window is missing: use \"view_window = text\"" },
		{ "on_retrieve/keep =", "#", "the file ends, and "
			"on_retrieve/keep is missing: " },
		{ "messages = ", "#", "the file ends, and messages "
			"is missing: " },
		{ "last %{value}", "last %{n}", "%{n} is not known "
			"here: use %{value}" },
		{ "last %{value}", "last %{value?a|b}", "%{value?...}: value "
			"is no whole number to choose by: " },
		{ "January", "\xff", "the line is not valid UTF-8" },
	};
	struct pop3_policy_words *words;
	const char *text = test_notice_file("rules.txt"), *error, *end;
	unsigned int line_no;

	test_begin("words: refused");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = NULL;
		test_assert_idx(pop3_policy_words_parse(
			pool_datastack_create(),
			shipped_with(tests[i].from, tests[i].to), &words,
			&error) < 0, i);
		/* what is missing is so at the end */
		end = str_begins_with(tests[i].error, "the file ends") ?
			text + strlen(text) - 1 :
			strstr(text, tests[i].from) + 1;
		line_no = 1;
		for (const char *p = text; p < end; p++)
			line_no += *p == '\n' ? 1 : 0;
		test_notice_error(error, t_strdup_printf("line %u: %s",
			line_no, tests[i].error), i);
	} T_END;
	test_end();
}
