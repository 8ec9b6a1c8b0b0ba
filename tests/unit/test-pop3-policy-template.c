/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-template.h"
#include "pop3-policy-text.h"
#include "test-pop3-policy-notice.h"

#include <fcntl.h>
#include <unistd.h>

static const struct pop3_policy_text_var vars[] = {
	{ "user", POP3_POLICY_TEXT_WORD,
	  "x\r\nBcc: victim@example.org\r\n\r\n" },
	{ "count", POP3_POLICY_TEXT_NUMBER, "3" },
	{ "rules", POP3_POLICY_TEXT_LINES, "  - one\n  - two\n" },
	{ "nothing", POP3_POLICY_TEXT_WORD, "" },
	{ NULL, 0, NULL }
};

void test_template_expand(void)
{
	static const struct {
		const char *text, *subject, *body;
	} tests[] = {
		{ "Subject: Hello\n\nText\n", "Hello", "Text\n" },
		{ "Subject: Hello\n\nText", "Hello", "Text\n" },
		{ "subject:Hello\n\nText", "Hello", "Text\n" },
		{ "Subject: \t Hello  \n\nText", "Hello", "Text\n" },
		{ "# For you.\nSubject: Hello\n#\n\n# Text\n", "Hello",
		  "# Text\n" },
		/* as it is written on other systems */
		{ "\xef\xbb\xbfSubject: Hello\r\n\r\nText\r\n", "Hello",
		  "Text\n" },
		/* empty lines within stay */
		{ "Subject: a\n\n\nb\n\n\nc\n\n \n", "a", "\nb\n\n\nc\n" },
		{ "Subject: a\n\n  b \t\n", "a", "  b\n" },
		{ "Subject: %{count} %{count?mail|mails}\n\n%{count}: "
		  "%{count?it|they}\n", "3 mails", "3: they\n" },
		{ "Subject: a\n\nRules:\n\n%{rules}\n\nEnd\n", "a",
		  "Rules:\n\n  - one\n  - two\n\nEnd\n" },
		{ "Subject: a\n\n%{rules}\nEnd\n", "a",
		  "  - one\n  - two\nEnd\n" },
		/* values stay where they are put */
		{ "Subject: %{user}!\n\n%{user}!\n",
		  "x  Bcc: victim@example.org    !",
		  "x  Bcc: victim@example.org    !\n" },
		{ "Subject: Stra\xc3\x9f" "e\n\n\xe2\x82\xac 5\n",
		  "Stra\xc3\x9f" "e", "\xe2\x82\xac 5\n" },
		/* headers below the empty line are text */
		{ "Subject: a\n\nBcc: b\n", "a", "Bcc: b\n" },
	};
	const char *subject, *body, *error = NULL;

	test_begin("template");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		subject = body = NULL;
		test_assert_idx(pop3_policy_template_expand(tests[i].text,
			vars, &subject, &body, &error) == 0, i);
		test_assert_strcmp_idx(subject, tests[i].subject, i);
		test_assert_strcmp_idx(body, tests[i].body, i);
	}
	test_end();
}

void test_template_refused(void)
{
	static const struct {
		const char *text, *error;
	} tests[] = {
		{ "", "line 1: there is no Subject: use \"Subject: ...\" and "
			"comments that begin with #, and then an empty line "
			"and the text" },
		{ "\n\nText\n", "line 1: there is no Subject: " },
		{ "Subject: a\n", "line 1: there is no text behind the "
			"Subject: " },
		{ "# b\nSubject: a\n\n\n \n", "line 5: there is no text " },
		{ "Subject: a\nText\n", "line 2: \"Text\" is not allowed "
			"before the text: use \"Subject: ...\"" },
		{ "Subject: a\nBcc: b@example.org\n\nText\n",
		  "line 2: \"Bcc: b@example.org\" is not allowed before " },
		{ "Subject: a\n b\n\nText\n", "line 2: \" b\" is not allowed" },
		{ "Subject: a\nSubject: b\n\nText\n",
		  "line 2: there is a second Subject: use one" },
		{ "Subject:\n\nText\n", "line 1: the Subject is empty: " },
		{ "Subject: %{nothing}\n\nText\n",
		  "line 1: the Subject is empty: " },
		{ "Subject: a\tb\n\nText\n",
		  "line 1: the Subject has a TAB: " },
		{ "Subject: %{rules}\n\nText\n",
		  "line 1: %{rules} has several lines: " },
		{ "Subject: %{usr}\n\nText\n", "line 1: %{usr} is not known "
			"here: use %{user}, %{count}, %{rules} or "
			"%{nothing}" },
		{ "Subject: a\n\nText\n%{usr}\n", "line 4: %{usr} is not " },
		{ "Subject: a\n\nText\n\n\xff\n",
		  "line 5: the line is not valid UTF-8" },
		{ "Subject: a\n\nText\x01\n", "line 3: the line has "
			"control characters" },
		{ "Subject: a\rBcc: b\n\nText\n", "line 1: the line has "
			"control characters" },
		{ "Subject: a\xe2\x80\xa8" "b\n\nText\n", "line 1: the line has "
			"control characters" },
	};
	const char *subject, *body, *error;

	test_begin("template: refused");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_template_expand(tests[i].text,
			vars, &subject, &body, &error) < 0, i);
		test_notice_error(error, tests[i].error, i);
	}
	test_end();
}

const char *test_notice_file(const char *name)
{
	const char *path = t_strdup_printf("%s/notices/%s",
					   getenv("top_srcdir"), name);
	string_t *str = t_str_new(4096);
	unsigned char buf[4096];
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd == -1)
		i_fatal("open(%s) failed: %m", path);
	while ((ret = read(fd, buf, sizeof(buf))) > 0)
		str_append_data(str, buf, ret);
	i_close_fd(&fd);
	return str_c(str);
}
