/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-text.h"
#include "test-pop3-policy-notice.h"

static const struct pop3_policy_text_var vars[] = {
	{ "user", POP3_POLICY_TEXT_WORD, "jane@example.org" },
	{ "evil", POP3_POLICY_TEXT_WORD, "a\r\nBcc: b\n\nc\td\x7f\xc2\x85"
		"\xe2\x80\xa8" "e\xff\xc3" },
	{ "one", POP3_POLICY_TEXT_NUMBER, "1" },
	{ "many", POP3_POLICY_TEXT_NUMBER, "21" },
	{ "none", POP3_POLICY_TEXT_NUMBER, "0" },
	{ "empty", POP3_POLICY_TEXT_WORD, "" },
	{ "code", POP3_POLICY_TEXT_WORD, "%{user}%%{" },
	{ "rules", POP3_POLICY_TEXT_LINES, "a\nb\n" },
	{ NULL, 0, NULL }
};

void test_text_expand(void)
{
	static const struct {
		const char *text, *result;
	} tests[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "%{user}", "jane@example.org" },
		{ "<%{user}%{empty}> %{user}",
		  "<jane@example.org> jane@example.org" },
		/* of several lines made one, and valid UTF-8 */
		{ "%{evil}", "a  Bcc: b  c d   e\xef\xbf\xbd\xef\xbf\xbd" },
		/* values are no texts with variables */
		{ "%{code}", "%{user}%%{" },
		{ "%{one} %{one?day|days}", "1 day" },
		{ "%{many} %{many?day|days}", "21 days" },
		{ "%{none} %{none?day|days}", "0 days" },
		{ "%{one?|s}", "" },
		{ "%{many?|s}", "s" },
		{ "%{one?a?b|c}", "a?b" },
		{ "J\xc3\xb6rg: %{one?Stra\xc3\x9f" "e|}",
		  "J\xc3\xb6rg: Stra\xc3\x9f" "e" },
		{ "%{rules}", "a\nb\n" },
		/* what is no variable */
		{ "80 % of 100%", "80 % of 100%" },
		{ "%u %%", "%u %%" },
		{ "{user} %(user)", "{user} %(user)" },
		{ "%%{user}", "%{user}" },
		{ "%%{user} is %{user}", "%{user} is jane@example.org" },
		{ "%%%{user}", "%%{user}" },
		{ "}%{", NULL },
	};
	string_t *str = t_str_new(64);
	const char *error;
	int ret;

	test_begin("text: variables");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		str_truncate(str, 0);
		ret = pop3_policy_text_expand(str, tests[i].text, vars, FALSE,
					      &error);
		test_assert_idx(ret == (tests[i].result == NULL ? -1 : 0), i);
		if (tests[i].result != NULL && ret == 0)
			test_assert_strcmp_idx(str_c(str), tests[i].result, i);
	}
	test_end();
}

void test_text_refused(void)
{
	static const struct {
		const char *text;
		bool single_line;
		const char *error;
	} tests[] = {
		{ "%{usr}", FALSE, "%{usr} is not known here: use %{user}, "
			"%{evil}, %{one}, %{many}, %{none}, %{empty}, "
			"%{code} or %{rules}" },
		{ "%{User}", FALSE, "%{User} is not known here: " },
		{ "%{}", FALSE, "%{} is not known here: " },
		{ "a %{ user }", FALSE, "%{ user } is not known here: " },
		{ "%{?a|b}", FALSE, "%{} is not known here: " },
		{ "%{a\x01}", FALSE, "%{a?} is not known here: " },
		{ "%{user", FALSE, "\"%{user\" has no } at its end: use "
			"%{name}, or %%{ for the characters %{" },
		{ "%{user?a|b}", FALSE, "%{user?...}: user is no whole number "
			"to choose by: use %{user}" },
		{ "%{one?a}", FALSE, "%{one?a} is not two texts: use "
			"%{one?one|more}" },
		{ "%{one?a|b|c}", FALSE, "%{one?a|b|c} is not two texts: " },
		{ "%{one?}", FALSE, "%{one?} is not two texts: " },
		{ "%{rules}", TRUE, "%{rules} has several lines: use it in "
			"the text only, and without ?" },
		{ "%{rules?a|b}", FALSE, "%{rules} has several lines: " },
	};
	string_t *str = t_str_new(64);
	const char *error;

	test_begin("text: refused");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_text_expand(str, tests[i].text,
				vars, tests[i].single_line, &error) < 0, i);
		test_notice_error(error, tests[i].error, i);
	}
	test_end();
}

void test_text_no_variables(void)
{
	const char *error;

	test_begin("text: no variables");
	test_assert(pop3_policy_text_expand(t_str_new(8), "%{user}",
			vars + N_ELEMENTS(vars) - 1, FALSE, &error) < 0);
	test_assert_strcmp(error, "%{user} is not known here: use no "
			   "variables");
	test_end();
}

void test_text_wrap(void)
{
	static const struct {
		const char *first, *paragraph, *result;
	} tests[] = {
		{ "", "", "\n" },
		{ "  - ", "word", "  - word\n" },
		{ "", "a  b c", "a b c\n" },
		/* 72 characters fit, 73 do not */
		{ "",
		  "123456789 123456789 123456789 123456789 123456789 "
		  "123456789 123456789 12 3",
		  "123456789 123456789 123456789 123456789 123456789 "
		  "123456789 123456789 12\n3\n" },
		{ "- ",
		  "123456789 123456789 123456789 123456789 123456789 "
		  "123456789 12345678 12",
		  "- 123456789 123456789 123456789 123456789 123456789 "
		  "123456789 12345678\n  12\n" },
		/* characters, not bytes */
		{ "\xe2\x80\xa2 ",
		  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		  "\xc3\xa4\xc3\xa4 123456789 123456789 123456789 123456789 "
		  "123456789 123456789 x",
		  "\xe2\x80\xa2 "
		  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		  "\xc3\xa4\xc3\xa4 123456789 123456789 123456789 123456789 "
		  "123456789 123456789\n  x\n" },
		/* a word that is too long stays whole */
		{ "- ",
		  "a 123456789-123456789-123456789-123456789-123456789-"
		  "123456789-123456789-123456789- b",
		  "- a\n  123456789-123456789-123456789-123456789-123456789-"
		  "123456789-123456789-123456789-\n  b\n" },
	};
	string_t *str = t_str_new(64);

	test_begin("text: wrapped");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		str_truncate(str, 0);
		pop3_policy_text_wrap(str, tests[i].first, tests[i].paragraph);
		test_assert_strcmp_idx(str_c(str), tests[i].result, i);
	}
	test_end();
}
