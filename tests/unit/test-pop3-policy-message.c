/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-message.h"
#include "test-pop3-policy-notice.h"

void test_address_parse(void)
{
	static const struct {
		/* what it becomes at the domain default.example, NULL if it is
		   refused */
		const char *text, *result;
	} tests[] = {
		{ "postmaster", "<postmaster@default.example>" },
		{ "post.master+a@example.org", "<post.master+a@example.org>" },
		/* a variable was empty */
		{ "postmaster@", "<postmaster@default.example>" },
		{ " <a@example.org> ", "<a@example.org>" },
		{ "Mail service <a@example.org>",
		  "Mail service\n <a@example.org>" },
		{ "Mail service <a>", "Mail service\n <a@default.example>" },
		{ "\"Mail service\" <a>",
		  "Mail service\n <a@default.example>" },
		{ "Mail, (service) <a@b>", "\"Mail, (service)\"\n <a@b>" },
		{ "Mail \"x\" service <a@b>",
		  "\"Mail \\\"x\\\" service\"\n <a@b>" },
		{ "Stra\xc3\x9f" "e <a@b>",
		  "=?utf-8?b?U3RyYcOfZQ==?=\n <a@b>" },
		{ "=?utf-8?q?a?= <a@b>",
		  "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?=\n <a@b>" },
		{ "", NULL },
		{ "@example.org", NULL },
		{ "a b@example.org", NULL },
		{ "a@b@c", NULL },
		{ ".a@example.org", NULL },
		{ "a.@example.org", NULL },
		{ "a..b@example.org", NULL },
		{ "a@example..org", NULL },
		{ "a@.org", NULL },
		{ "a@exa mple.org", NULL },
		{ "a,b@example.org", NULL },
		{ "a@example.org>", NULL },
		{ "<a@example.org", NULL },
		{ "<a@example.org> b", NULL },
		{ "a\nb <a@example.org>", NULL },
		{ "a\x01 <a@example.org>", NULL },
		{ "a\xff <a@example.org>", NULL },
		{ "j\xc3\xb6rg@example.org", NULL },
		{ "a@b\r\nBcc: c", NULL },
	};
	struct pop3_policy_address address;
	string_t *str = t_str_new(128);
	int ret;

	test_begin("address: parsed");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		ret = pop3_policy_address_parse(tests[i].text, &address);
		test_assert_idx(ret == (tests[i].result == NULL ? -1 : 0), i);
		if (ret < 0 || tests[i].result == NULL)
			continue;
		str_truncate(str, 0);
		pop3_policy_address_append(str, &address, "default.example");
		test_assert_strcmp_idx(str_c(str), tests[i].result, i);
	}
	test_end();
}

void test_address_user(void)
{
	static const struct {
		const char *username, *result, *domain;
	} tests[] = {
		{ "jane@example.org", "<jane@example.org>", "example.org" },
		{ "jane", "<jane@default.example>", "default.example" },
		{ "j\xc3\xb6rg@example.org",
		  "=?utf-8?b?asO2cmdAZXhhbXBsZS5vcmc=?= :;", "example.org" },
		{ "jane doe@example.org", "\"jane doe@example.org\" :;",
		  "example.org" },
		{ "a@b@example.org", "\"a@b@example.org\" :;", "example.org" },
		{ "a>\r\nBcc: b@example.org",
		  "=?utf-8?b?YT4NCkJjYzogYkBleGFtcGxlLm9yZw==?= :;",
		  "example.org" },
		{ "jane@\r\nBcc: b", "=?utf-8?b?amFuZUANCkJjYzogYg==?= :;",
		  "default.example" },
		{ "=?utf-8?q?a?=@example.org",
		  "=?utf-8?b?PT91dGYtOD9xP2E/PUBleGFtcGxlLm9yZw==?= :;",
		  "example.org" },
		{ "\"quoted\"", "\"\\\"quoted\\\"\" :;", "default.example" },
		{ "jane@", "\"jane@\" :;", "default.example" },
		{ "", "\"?\" :;", "default.example" },
		{ "\xff", "=?utf-8?b?77+9?= :;", "default.example" },
	};
	string_t *str = t_str_new(128);

	test_begin("address: user names");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		str_truncate(str, 0);
		pop3_policy_address_append_user(str, tests[i].username,
						"default.example");
		test_assert_strcmp_idx(str_c(str), tests[i].result, i);
		test_assert_strcmp_idx(pop3_policy_address_domain(
			tests[i].username, "default.example"),
			tests[i].domain, i);
	}
	test_end();
}

static const struct pop3_policy_message plain_message = {
	.from = { NULL, "postmaster", NULL },
	.username = "jane@example.org",
	.domain = "example.org",
	.message_id = "<1@mail.example.org>",
	.date = 1798759805,
	.subject = "Your mailbox is 81% full",
	.body = "Hello.\n\nEnd.\n",
};

static const char *message_get(const struct pop3_policy_message *message)
{
	string_t *str = t_str_new(1024);

	pop3_policy_message_append(str, message);
	return str_c(str);
}

/* All lines end with CRLF, are of at most 998 bytes and ASCII. */
static bool lines_are_good(const char *text)
{
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\r' && text[1] == '\n') {
			text++;
			len = 0;
			continue;
		}
		if (((unsigned char)*text < 0x20 && *text != '\t') ||
		    (unsigned char)*text > 0x7e || ++len > 998)
			return FALSE;
	}
	return len == 0;
}

void test_message_headers(void)
{
	test_begin("message: headers");
	test_assert_strcmp(message_get(&plain_message),
		"From: <postmaster@example.org>\r\n"
		"To: <jane@example.org>\r\n"
		"Subject: Your mailbox is 81% full\r\n"
		"Date: Fri, 01 Jan 2027 00:30:05 +0100\r\n"
		"Message-ID: <1@mail.example.org>\r\n"
		"Auto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 7bit\r\n"
		"\r\n"
		"Hello.\r\n\r\nEnd.\r\n");
	test_end();
}

static const char *header_get(const char *text, const char *name)
{
	const char *begin = strstr(text, t_strconcat(name, ": ", NULL)), *end;

	if (begin == NULL)
		return NULL;
	begin += strlen(name) + 2;
	end = strstr(begin, "\r\n");
	while (end != NULL && (end[2] == ' ' || end[2] == '\t'))
		end = strstr(end + 2, "\r\n");
	return t_strdup_until(begin, end);
}

void test_message_subject(void)
{
	static const struct {
		const char *subject, *result;
	} tests[] = {
		{ "Stra\xc3\x9f" "e", "=?utf-8?q?Stra=C3=9Fe?=" },
		{ "a Stra\xc3\x9f" "e", "a =?utf-8?q?Stra=C3=9Fe?=" },
		/* 78 characters with the header's name, and one more */
		{ "123456789 123456789 123456789 123456789 123456789 123456789 "
		  "123456789",
		  "123456789 123456789 123456789 123456789 123456789 123456789 "
		  "123456789" },
		{ "123456789 123456789 123456789 123456789 123456789 123456789 "
		  "1234567890",
		  "=?utf-8?q?123456789_123456789_123456789_123456789_123456789_"
		  "12345?=\r\n\t=?utf-8?q?6789_1234567890?=" },
	};
	struct pop3_policy_message message = plain_message;
	const char *text;

	test_begin("message: subject");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		message.subject = tests[i].subject;
		text = message_get(&message);
		test_assert_idx(lines_are_good(text), i);
		test_assert_strcmp_idx(header_get(text, "Subject"),
				       tests[i].result, i);
	}
	test_end();
}

void test_message_body(void)
{
	static const struct {
		const char *body, *encoding, *result;
	} tests[] = {
		{ "a=b\n.\n", "7bit", "a=b\r\n.\r\n" },
		{ "\xe2\x82\xac 5\n", "quoted-printable",
		  "=E2=82=AC 5\r\n" },
		{ "a=b \xc3\xa4\n\nc\n", "quoted-printable",
		  "a=3Db =C3=A4\r\n\r\nc\r\n" },
	};
	struct pop3_policy_message message = plain_message;
	const char *text, *body;

	test_begin("message: body");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		message.body = tests[i].body;
		text = message_get(&message);
		test_assert_idx(lines_are_good(text), i);
		test_assert_strcmp_idx(header_get(text,
			"Content-Transfer-Encoding"), tests[i].encoding, i);
		body = strstr(text, "\r\n\r\n");
		test_assert_idx(body != NULL, i);
		if (body != NULL) {
			test_assert_strcmp_idx(body + 4, tests[i].result, i);
		}
	}
	test_end();
}

void test_message_lines(void)
{
	static const size_t lengths[] =
		{ 1, 70, 75, 76, 77, 78, 990, 997, 998, 999, 1000, 5000 };
	struct pop3_policy_message message = plain_message;
	const char *text, *encoding;
	char *line;

	test_begin("message: long lines");
	for (unsigned int i = 0; i < N_ELEMENTS(lengths); i++) T_BEGIN {
		line = t_malloc0(lengths[i] + 2);
		memset(line, 'x', lengths[i]);
		message.username = message.subject = t_strdup(line);
		message.from.name = message.subject;
		line[lengths[i]] = '\n';
		message.body = line;
		text = message_get(&message);
		test_assert_idx(lines_are_good(text), i);
		encoding = header_get(text, "Content-Transfer-Encoding");
		test_assert_strcmp_idx(encoding, lengths[i] <= 998 ?
				       "7bit" : "quoted-printable", i);
	} T_END;
	test_end();
}
