/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Messages as they are written and read. */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-protocol.h"
#include "test-pop3-policy-protocol.h"

#define HANDSHAKE "VERSION\tpop3-policy\t1\t0"

struct pop3_policy_wire_parser *test_wire_parser(void)
{
	struct pop3_policy_wire_parser *parser = pop3_policy_wire_parser_init();
	struct pop3_policy_wire_message *message;
	const char *error;

	test_assert(pop3_policy_wire_parser_feed(parser, HANDSHAKE, &message,
						 &error) == 0);
	test_assert(message == NULL);
	return parser;
}

struct pop3_policy_wire_message *
test_wire_feed(struct pop3_policy_wire_parser *parser, const char *text,
	 unsigned int idx)
{
	struct pop3_policy_wire_message *message = NULL;
	const char *error = NULL, *end;
	int ret = 0;

	while (*text != '\0') {
		end = strchr(text, '\n');
		i_assert(end != NULL);
		test_assert_idx(ret == 0, idx);
		T_BEGIN {
			ret = pop3_policy_wire_parser_feed(parser,
				t_strdup_until(text, end), &message, &error);
		} T_END_PASS_STR_IF(ret < 0, &error);
		test_assert_strcmp_idx(error, NULL, idx);
		text = end + 1;
	}
	test_assert_idx(ret == 1 && message != NULL, idx);
	return message;
}

void test_wire_written(void)
{
	string_t *str = t_str_new(256);

	test_begin("wire: as written");
	pop3_policy_wire_handshake(str);
	test_assert_strcmp(str_c(str), "VERSION\tpop3-policy\t1\t0\n");

	str_truncate(str, 0);
	pop3_policy_wire_begin(str, "INTENT", 4294967295U);
	pop3_policy_wire_str(str, "user", "a\tb\nc\001d\re=f");
	pop3_policy_wire_str(str, "rip", NULL);
	pop3_policy_wire_str(str, "device", "");
	pop3_policy_wire_num(str, "no", 1);
	pop3_policy_wire_num(str, "size", INT64_MIN);
	pop3_policy_wire_flag(str, "tls", TRUE);
	pop3_policy_wire_flag(str, "repeat", FALSE);
	pop3_policy_wire_num(str, "items", 1);
	pop3_policy_wire_end(str);
	pop3_policy_wire_item(str, "message");
	pop3_policy_wire_num(str, "uid", 7);
	pop3_policy_wire_end(str);
	test_assert_strcmp(str_c(str),
		"INTENT\t4294967295\tuser=a\001tb\001nc\0011d\001re=f\tdevice="
		"\tno=1\tsize=-9223372036854775808\ttls=1\titems=1\n"
		"ITEM\tmessage\tuid=7\n");
	test_end();
}

void test_wire_handshake(void)
{
	static const struct {
		const char *line, *error;
	} tests[] = {
		{ "", "Handshake is not VERSION" },
		{ "VERSION", "Handshake is not VERSION" },
		{ "VERSION\tpop3-policy\t1", "Handshake is not VERSION" },
		{ "VERSION\tpop3-policy\t1\t0\t0", "Handshake is not VERSION" },
		{ "version\tpop3-policy\t1\t0", "Handshake is not VERSION" },
		{ "VERSION\tpop3-policy\t1\tx", "Handshake is not VERSION" },
		{ "VERSION\tpop3-policy\t-1\t0", "Handshake is not VERSION" },
		{ "VERSION\tpop3-policy\t\t0", "Handshake is not VERSION" },
		{ "LOGIN\t1\tuser=a", "Handshake is not VERSION" },
		{ "VERSION\tdict-server\t1\t0", "Handshake names protocol "
		  "dict-server instead of pop3-policy" },
		{ "VERSION\tpop3-policy\t2\t7", "Other side speaks protocol "
		  "version 2.7, this one 1.0" },
		{ "VERSION\tpop3-policy\t0\t1", "Other side speaks protocol "
		  "version 0.1, this one 1.0" },
	};
	struct pop3_policy_wire_parser *parser;
	struct pop3_policy_wire_message *message;
	const char *error;
	unsigned int i;

	test_begin("wire: handshake");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		parser = pop3_policy_wire_parser_init();
		error = NULL;
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			tests[i].line, &message, &error) == -1, i);
		test_assert_strcmp_idx(error, tests[i].error, i);
		/* there is no second try */
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			HANDSHAKE, &message, &error) == -1, i);
		test_assert_idx(message == NULL, i);
		pop3_policy_wire_parser_deinit(&parser);
		test_assert_idx(parser == NULL, i);
	}

	/* another minor version adds what we may ignore */
	parser = pop3_policy_wire_parser_init();
	test_assert(pop3_policy_wire_parser_feed(parser,
		"VERSION\tpop3-policy\t1\t99", &message, &error) == 0);
	test_assert(pop3_policy_wire_parser_feed(parser,
		"LOGIN\t1\tuser=a", &message, &error) == 1);
	pop3_policy_wire_message_free(&message);
	pop3_policy_wire_parser_deinit(&parser);
	test_end();
}

void test_wire_fields(void)
{
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	struct pop3_policy_wire_message *message;
	const struct pop3_policy_wire_line *head;
	int64_t num = 42;
	uint32_t num32 = 42;
	static const struct {
		const char *value;
		int ret64, ret32;
		int64_t num;
	} numbers[] = {
		{ "0", 1, 1, 0 },
		{ "4294967295", 1, 1, 4294967295LL },
		{ "4294967296", 1, -1, 4294967296LL },
		{ "-1", 1, -1, -1 },
		{ "9223372036854775807", 1, -1, INT64_MAX },
		{ "-9223372036854775808", 1, -1, INT64_MIN },
		{ "9223372036854775808", -1, -1, 0 },
		{ "", -1, -1, 0 },
		{ "-", -1, -1, 0 },
		{ "x", -1, -1, 0 },
		{ "1x", -1, -1, 0 },
		{ "1.5", -1, -1, 0 },
		{ " 1", -1, -1, 0 },
		{ "0x1", -1, -1, 0 },
	};

	test_begin("wire: fields");
	message = test_wire_feed(parser,
		"LOGIN\t7\tuser=a=b\tempty=\ttls=1\tzero=0"
		"\tuser=second\tp.on_dele=hide\n", 0);
	head = &message->head;
	test_assert_strcmp(head->name, "LOGIN");
	test_assert(message->id == 7);
	test_assert(message->items == NULL && message->item_count == 0);
	test_assert(head->field_count == 6);
	test_assert_strcmp(pop3_policy_wire_get_str(head, "user"), "a=b");
	test_assert_strcmp(pop3_policy_wire_get_str(head, "empty"), "");
	test_assert_strcmp(pop3_policy_wire_get_str(head, "p.on_dele"),
			   "hide");
	test_assert(pop3_policy_wire_get_str(head, "use") == NULL);
	test_assert(pop3_policy_wire_get_str(head, "users") == NULL);
	test_assert(pop3_policy_wire_get_str(head, "USER") == NULL);
	test_assert(pop3_policy_wire_get_str(head, "") == NULL);
	test_assert(pop3_policy_wire_get_flag(head, "tls"));
	test_assert(!pop3_policy_wire_get_flag(head, "zero"));
	test_assert(!pop3_policy_wire_get_flag(head, "empty"));
	test_assert(!pop3_policy_wire_get_flag(head, "missing"));
	test_assert(pop3_policy_wire_get_int64(head, "missing", &num) == 0);
	test_assert(pop3_policy_wire_get_uint32(head, "missing", &num32) == 0);
	test_assert(num == 42 && num32 == 42);
	pop3_policy_wire_message_free(&message);
	test_assert(message == NULL);
	pop3_policy_wire_message_free(&message);

	for (unsigned int i = 0; i < N_ELEMENTS(numbers); i++) {
		message = test_wire_feed(parser, t_strdup_printf(
			"OK\t%u\tn=%s\n", i, numbers[i].value), i);
		num = 42;
		num32 = 42;
		test_assert_idx(pop3_policy_wire_get_int64(&message->head, "n",
				&num) == numbers[i].ret64, i);
		test_assert_idx(num == (numbers[i].ret64 > 0 ?
					numbers[i].num : 42), i);
		test_assert_idx(pop3_policy_wire_get_uint32(&message->head,
				"n", &num32) == numbers[i].ret32, i);
		test_assert_idx(num32 == (numbers[i].ret32 > 0 ?
					  numbers[i].num : 42), i);
		pop3_policy_wire_message_free(&message);
	}

	/* no fields at all, the largest id */
	message = test_wire_feed(parser, "IMAP\t4294967295\n", 0);
	test_assert(message->id == 4294967295U);
	test_assert(message->head.field_count == 0);
	test_assert(pop3_policy_wire_get_str(&message->head, "user") == NULL);
	pop3_policy_wire_message_free(&message);
	pop3_policy_wire_parser_deinit(&parser);
	pop3_policy_wire_parser_deinit(&parser);
	test_end();
}

void test_wire_items(void)
{
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	struct pop3_policy_wire_message *message;
	uint32_t uid = 0;

	test_begin("wire: items");
	message = test_wire_feed(parser,
		"INTENT\t3\tuser=a\titems=3\n"
		"ITEM\tmessage\tuid=1\tunknown=x\n"
		"ITEM\twould-be\n"
		"ITEM\tmessage\tuid=9\n", 0);
	test_assert(message->item_count == 3);
	test_assert_strcmp(message->items[0].name, "message");
	test_assert(message->items[0].field_count == 2);
	test_assert_strcmp(message->items[1].name, "would-be");
	test_assert(message->items[1].field_count == 0);
	test_assert(pop3_policy_wire_get_uint32(&message->items[2], "uid",
						&uid) == 1 && uid == 9);
	test_assert(pop3_policy_wire_get_uint32(&message->items[1], "uid",
						&uid) == 0);
	pop3_policy_wire_message_free(&message);

	/* one after the other, and without any */
	message = test_wire_feed(parser, "OK\t3\titems=0\n", 0);
	test_assert(message->item_count == 0);
	pop3_policy_wire_message_free(&message);
	message = test_wire_feed(parser,
		"OK\t4\titems=1\nITEM\tdue\tuid=5\n", 0);
	test_assert(message->item_count == 1);
	/* a message outlives its parser */
	pop3_policy_wire_parser_deinit(&parser);
	test_assert_strcmp(pop3_policy_wire_get_str(&message->items[0], "uid"),
			   "5");
	pop3_policy_wire_message_free(&message);
	test_end();
}

void test_wire_malformed(void)
{
	static const struct {
		/* a line to go before, or NULL */
		const char *before;
		const char *line, *error;
	} tests[] = {
		{ NULL, "", "Line does not begin with a verb: \"\"" },
		{ NULL, "\t1", "Line does not begin with a verb: \"\"" },
		{ NULL, "login\t1", "Line does not begin with a verb: "
		  "\"login\"" },
		{ NULL, "LO GIN\t1", "Line does not begin with a verb: "
		  "\"LO GIN\"" },
		{ NULL, "-LOGIN\t1", "Line does not begin with a verb: "
		  "\"-LOGIN\"" },
		{ NULL, "GET / HTTP/1.1", "Line does not begin with a verb: "
		  "\"GET / HTTP/1.1\"" },
		{ NULL, "\x16\x03\x03\x02", "Line does not begin with a "
		  "verb: \"????\"" },
		{ NULL, "\x16\x03\x01\x02", "Wrong escaping in "
		  "\"????\"" },
		{ NULL, "LOGIN", "LOGIN without a valid id" },
		{ NULL, "LOGIN\t", "LOGIN without a valid id" },
		{ NULL, "LOGIN\tx", "LOGIN without a valid id" },
		{ NULL, "LOGIN\t-1", "LOGIN without a valid id" },
		{ NULL, "LOGIN\t4294967296", "LOGIN without a valid id" },
		{ NULL, "LOGIN\t1x\tuser=a", "LOGIN without a valid id" },
		{ NULL, "LOGIN\tuser=a", "LOGIN without a valid id" },
		{ NULL, "LOGIN\t1\tuser", "Field \"user\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\t=a", "Field \"=a\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\t=", "Field \"=\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\t", "Field \"\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\tuser=a\t", "Field \"\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\t\tuser=a", "Field \"\" is not KEY=VALUE" },
		{ NULL, "LOGIN\t1\titems=x", "LOGIN: invalid number of items" },
		{ NULL, "LOGIN\t1\titems=", "LOGIN: invalid number of items" },
		{ NULL, "LOGIN\t1\titems=-1",
		  "LOGIN: invalid number of items" },
		{ NULL, "LOGIN\t1\titems=4294967296",
		  "LOGIN: invalid number of items" },
		{ NULL, "ITEM\tmessage\tuid=1", "Misplaced ITEM" },
		{ NULL, HANDSHAKE, "Misplaced VERSION" },
		{ NULL, "LOGIN\t1\tuser=a\rb", "Wrong escaping in "
		  "\"LOGIN?1?user=a?b\"" },
		{ NULL, "LOGIN\t1\tuser=a\nb", "Wrong escaping in "
		  "\"LOGIN?1?user=a?b\"" },
		{ NULL, "LOGIN\t1\tuser=a\001", "Wrong escaping in "
		  "\"LOGIN?1?user=a?\"" },
		{ NULL, "LOGIN\t1\tuser=a\001xb", "Wrong escaping in "
		  "\"LOGIN?1?user=a?xb\"" },
		/* an escaped NUL would cut the value */
		{ NULL, "LOGIN\t1\tuser=a\0010b", "Wrong escaping in "
		  "\"LOGIN?1?user=a?0b\"" },
		{ "INTENT\t1\titems=2", "LOGIN\t2\tuser=a",
		  "INTENT: \"LOGIN\" instead of item 1 of 2" },
		{ "INTENT\t1\titems=2", "", "INTENT: \"\" instead of item 1 "
		  "of 2" },
		{ "INTENT\t1\titems=2", "item\tmessage",
		  "INTENT: \"item\" instead of item 1 of 2" },
		{ "INTENT\t1\titems=2", "ITEM", "INTENT: item 1 of 2 has no "
		  "type" },
		{ "INTENT\t1\titems=2", "ITEM\t", "INTENT: item 1 of 2 has no "
		  "type" },
		{ "INTENT\t1\titems=2", "ITEM\tMESSAGE",
		  "INTENT: item 1 of 2 has no type" },
		{ "INTENT\t1\titems=2", "ITEM\tuid=1",
		  "INTENT: item 1 of 2 has no type" },
		{ "INTENT\t1\titems=2", "ITEM\tmessage\tuid",
		  "Field \"uid\" is not KEY=VALUE" },
		{ "INTENT\t1\titems=2", "ITEM\tmessage\t\001",
		  "Wrong escaping in \"ITEM?message??\"" },
	};
	struct pop3_policy_wire_parser *parser;
	struct pop3_policy_wire_message *message;
	const char *error;

	test_begin("wire: malformed lines");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		parser = test_wire_parser();
		if (tests[i].before != NULL) {
			test_assert_idx(pop3_policy_wire_parser_feed(parser,
				tests[i].before, &message, &error) == 0, i);
		}
		error = NULL;
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			tests[i].line, &message, &error) == -1, i);
		test_assert_idx(message == NULL, i);
		test_assert_strcmp_idx(error, tests[i].error, i);

		/* nothing is accepted after it */
		error = NULL;
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			tests[i].before != NULL ? "ITEM\tmessage\tuid=1" :
			"LOGIN\t1\tuser=a", &message, &error) == -1, i);
		test_assert_idx(message == NULL, i);
		test_assert_strcmp_idx(error,
			"A line before this one was malformed", i);
		pop3_policy_wire_parser_deinit(&parser);
	}
	test_end();
}

void test_wire_escaping(void)
{
	static const char *const values[] = {
		"", " ", "=", "a=b=", "\t", "\n", "\r", "\r\n", "\001",
		"\0011", "\001t", "\001\001", "t\tn\nr\r1\001",
		"\xff\xfe invalid UTF-8 \xc3", "<id@host>", "\\\"'",
		"items=3\nITEM\tmessage",
	};
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	struct pop3_policy_wire_message *message;
	string_t *str = t_str_new(256);

	test_begin("wire: escaping");
	for (unsigned int i = 0; i < N_ELEMENTS(values); i++) {
		str_truncate(str, 0);
		pop3_policy_wire_begin(str, "EVENT", i);
		pop3_policy_wire_str(str, "text", values[i]);
		/* keys too */
		pop3_policy_wire_str(str, "a\tb\001c", "x");
		pop3_policy_wire_num(str, "items", 1);
		pop3_policy_wire_end(str);
		pop3_policy_wire_item(str, "message");
		pop3_policy_wire_str(str, "text", values[i]);
		pop3_policy_wire_end(str);
		message = test_wire_feed(parser, str_c(str), i);
		test_assert_strcmp_idx(pop3_policy_wire_get_str(&message->head,
				       "text"), values[i], i);
		test_assert_strcmp_idx(pop3_policy_wire_get_str(&message->head,
				       "a\tb\001c"), "x", i);
		test_assert_strcmp_idx(pop3_policy_wire_get_str(
			&message->items[0], "text"), values[i], i);
		pop3_policy_wire_message_free(&message);
	}
	pop3_policy_wire_parser_deinit(&parser);
	test_end();
}

/* PREFIX and so many 'x' that the line with its LF has SIZE bytes */
static const char *line_of(string_t *str, const char *prefix, size_t size)
{
	str_truncate(str, 0);
	str_append(str, prefix);
	while (str_len(str) < size - 1)
		str_append_c(str, 'x');
	return str_c(str);
}

static void test_too_many_items(void)
{
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	struct pop3_policy_wire_message *message;
	const char *error = NULL;
	unsigned int i;

	/* as many as are allowed */
	test_assert(pop3_policy_wire_parser_feed(parser, t_strdup_printf(
		"INTENT\t1\titems=%u", POP3_POLICY_MAX_ITEMS),
		&message, &error) == 0);
	for (i = 1; i < POP3_POLICY_MAX_ITEMS; i++) {
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			"ITEM\tmessage\tuid=1", &message, &error) == 0, i);
	}
	test_assert(pop3_policy_wire_parser_feed(parser,
		"ITEM\tmessage\tuid=2", &message, &error) == 1);
	test_assert(message->item_count == POP3_POLICY_MAX_ITEMS);
	pop3_policy_wire_message_free(&message);

	test_assert(pop3_policy_wire_parser_feed(parser, t_strdup_printf(
		"INTENT\t1\titems=%u", POP3_POLICY_MAX_ITEMS + 1),
		&message, &error) == -1);
	test_assert_strcmp(error, t_strdup_printf(
		"INTENT: %u items, allowed are %u", POP3_POLICY_MAX_ITEMS + 1,
		POP3_POLICY_MAX_ITEMS));
	pop3_policy_wire_parser_deinit(&parser);
}

/* A message of POP3_POLICY_MAX_MESSAGE + excess bytes. Returns what became of
   its last line. */
static int
feed_large(struct pop3_policy_wire_parser *parser, string_t *str,
	   size_t excess, const char **error_r)
{
	const unsigned int full = POP3_POLICY_MAX_MESSAGE /
		POP3_POLICY_MAX_LINE - 1;
	const char *head = t_strdup_printf("INTENT\t1\titems=%u", full + 2);
	const char *prefix = "ITEM\tmessage\tuidl=";
	const char *last = "ITEM\tmessage";
	struct pop3_policy_wire_message *message;
	size_t rest = POP3_POLICY_MAX_LINE + excess -
		(strlen(head) + 1) - (strlen(last) + 1);
	int ret;

	test_assert(pop3_policy_wire_parser_feed(parser, head, &message,
						 error_r) == 0);
	(void)line_of(str, prefix, POP3_POLICY_MAX_LINE);
	for (unsigned int i = 0; i < full; i++) {
		test_assert_idx(pop3_policy_wire_parser_feed(parser,
			str_c(str), &message, error_r) == 0, i);
	}
	test_assert(pop3_policy_wire_parser_feed(parser,
		line_of(str, prefix, rest), &message, error_r) == 0);
	ret = pop3_policy_wire_parser_feed(parser, last, &message, error_r);
	pop3_policy_wire_message_free(&message);
	return ret;
}

static void test_too_large_message(void)
{
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	string_t *str = str_new(default_pool, POP3_POLICY_MAX_LINE);
	const char *error = NULL;

	/* one that just fits does not count towards the next */
	test_assert(feed_large(parser, str, 0, &error) == 1);
	test_assert(feed_large(parser, str, 1, &error) == -1);
	test_assert_strcmp(error, t_strdup_printf("INTENT: message of more "
			   "than %u bytes", POP3_POLICY_MAX_MESSAGE));
	str_free(&str);
	pop3_policy_wire_parser_deinit(&parser);
}

void test_wire_limits(void)
{
	struct pop3_policy_wire_parser *parser;
	struct pop3_policy_wire_message *message;
	string_t *str = str_new(default_pool, POP3_POLICY_MAX_LINE + 16);
	const char *error = NULL;

	test_begin("wire: limits");
	parser = test_wire_parser();
	test_assert(pop3_policy_wire_parser_feed(parser,
		line_of(str, "LOGIN\t1\tuser=", POP3_POLICY_MAX_LINE),
		&message, &error) == 1);
	test_assert(strlen(pop3_policy_wire_get_str(&message->head, "user")) ==
		    POP3_POLICY_MAX_LINE - strlen("LOGIN\t1\tuser=\n"));
	pop3_policy_wire_message_free(&message);
	test_assert(pop3_policy_wire_parser_feed(parser,
		line_of(str, "LOGIN\t1\tuser=", POP3_POLICY_MAX_LINE + 1),
		&message, &error) == -1);
	test_assert_strcmp(error, t_strdup_printf(
		"Line of %u bytes, allowed are %u", POP3_POLICY_MAX_LINE + 1,
		POP3_POLICY_MAX_LINE));
	pop3_policy_wire_parser_deinit(&parser);

	/* in the handshake's place and in an item's */
	parser = pop3_policy_wire_parser_init();
	test_assert(pop3_policy_wire_parser_feed(parser,
		line_of(str, HANDSHAKE, POP3_POLICY_MAX_LINE + 1),
		&message, &error) == -1);
	test_assert(str_begins_with(error, "Line of "));
	pop3_policy_wire_parser_deinit(&parser);
	parser = test_wire_parser();
	test_assert(pop3_policy_wire_parser_feed(parser, "INTENT\t1\titems=1",
						 &message, &error) == 0);
	test_assert(pop3_policy_wire_parser_feed(parser,
		line_of(str, "ITEM\tmessage\tuidl=", POP3_POLICY_MAX_LINE + 1),
		&message, &error) == -1);
	test_assert(str_begins_with(error, "Line of "));
	pop3_policy_wire_parser_deinit(&parser);
	str_free(&str);

	test_too_many_items();
	test_too_large_message();
	test_end();
}
