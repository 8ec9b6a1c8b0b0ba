/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Random messages, and lines that are nearly right. */

#include "lib.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-protocol.h"
#include "test-pop3-policy-protocol.h"

struct random_line {
	const char *name;
	const char *keys[8], *values[8];
	unsigned int count;
};

static const char *random_text(uint64_t *state, unsigned int min_len)
{
	string_t *str = t_str_new(32);
	unsigned int len = min_len + test_random(state) % 12;

	while (len-- > 0) {
		/* control characters more often than not */
		str_append_c(str, 1 + test_random(state) %
			     (test_random(state) % 2 == 0 ? 16 : 255));
	}
	return str_c(str);
}

static const char *random_key(uint64_t *state, unsigned int n)
{
	/* distinct, without '=' */
	return t_strdup_printf("%s%u", t_str_replace(random_text(state, 0),
						     '=', '-'), n);
}

static void random_line_write(uint64_t *state, struct random_line *line,
			      string_t *dest)
{
	unsigned int i;

	line->count = test_random(state) % N_ELEMENTS(line->keys);
	for (i = 0; i < line->count; i++) {
		line->keys[i] = random_key(state, i);
		line->values[i] = random_text(state, 0);
		pop3_policy_wire_str(dest, line->keys[i], line->values[i]);
	}
}

static void random_line_check(const struct random_line *expected,
			      const struct pop3_policy_wire_line *line,
			      unsigned int extra, unsigned int idx)
{
	test_assert_strcmp_idx(line->name, expected->name, idx);
	test_assert_idx(line->field_count == expected->count + extra, idx);
	for (unsigned int i = 0; i < expected->count; i++) {
		test_assert_strcmp_idx(line->fields[i].key, expected->keys[i],
				       idx);
		test_assert_strcmp_idx(pop3_policy_wire_get_str(line,
			expected->keys[i]), expected->values[i], idx);
	}
}

void test_wire_random(void)
{
	static const char *const verbs[] = { "LOGIN", "OK", "X-Y", "ITEMS" };
	static const char *const types[] = { "message", "due", "x-y" };
	struct pop3_policy_wire_parser *parser = test_wire_parser();
	uint64_t state = 3501;

	test_begin("wire: random round trip");
	for (unsigned int round = 0; round < 400; round++) T_BEGIN {
		struct pop3_policy_wire_message *message;
		struct random_line head, items[5];
		unsigned int i, count = test_random(&state) % 5;
		unsigned int id = (unsigned int)test_random(&state);
		string_t *str = t_str_new(1024);

		head.name = verbs[test_random(&state) % N_ELEMENTS(verbs)];
		pop3_policy_wire_begin(str, head.name, id);
		random_line_write(&state, &head, str);
		pop3_policy_wire_num(str, "items", count);
		pop3_policy_wire_end(str);
		for (i = 0; i < count; i++) {
			items[i].name = types[test_random(&state) %
					      N_ELEMENTS(types)];
			pop3_policy_wire_item(str, items[i].name);
			random_line_write(&state, &items[i], str);
			pop3_policy_wire_end(str);
		}

		message = test_wire_feed(parser, str_c(str), round);
		test_assert_idx(message->id == id, round);
		test_assert_idx(message->item_count == count, round);
		random_line_check(&head, &message->head, 1, round);
		for (i = 0; i < count; i++)
			random_line_check(&items[i], &message->items[i], 0,
					  round);
		pop3_policy_wire_message_free(&message);
	} T_END;
	pop3_policy_wire_parser_deinit(&parser);
	test_end();
}

/* Lines that are nearly right: no crash, and -1 always comes with a reason. */
void test_wire_garbage(void)
{
	static const char *const pieces[] = {
		"LOGIN", "ITEM", "message", "\t", "\t", "\t", "=", "=", "1",
		"0", "x", "items=", "items=2", "\001", "\001t", "\0011", "\r",
		"-", "", "\xff", "user=a",
	};
	uint64_t state = 50221;
	unsigned int failed = 0, completed = 0;

	test_begin("wire: garbage");
	for (unsigned int round = 0; round < 3000; round++) T_BEGIN {
		struct pop3_policy_wire_parser *parser =
			test_wire_parser();
		struct pop3_policy_wire_message *message;
		const char *error;
		int ret = 0;

		for (unsigned int n = 0; n < 4 && ret >= 0; n++) {
			string_t *str = t_str_new(128);

			/* so that items are reached as well */
			str_append(str, n == 0 ? "OK\t1\t" : "ITEM\tdue\t");
			for (unsigned int len = test_random(&state) % 8;
			     len > 0; len--) {
				str_append(str, pieces[test_random(&state) %
						       N_ELEMENTS(pieces)]);
			}
			error = NULL;
			ret = pop3_policy_wire_parser_feed(parser, str_c(str),
							   &message, &error);
			test_assert_idx((ret < 0) == (error != NULL), round);
			test_assert_idx((ret > 0) == (message != NULL), round);
			failed += ret < 0 ? 1 : 0;
			completed += ret > 0 ? 1 : 0;
			pop3_policy_wire_message_free(&message);
		}
		pop3_policy_wire_parser_deinit(&parser);
	} T_END;
	/* both sides were reached */
	test_assert(failed > 100 && completed > 100);
	test_end();
}
