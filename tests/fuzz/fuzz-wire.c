/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Messages between mail processes and the service: what is parsed and written
   again is the same message. */

#include "lib.h"
#include "str.h"
#include "pop3-policy-protocol.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

static void
fuzz_write_fields(string_t *dest, const struct pop3_policy_wire_line *line)
{
	int64_t num64;
	uint32_t num32;

	for (unsigned int i = 0; i < line->field_count; i++) {
		const char *key = line->fields[i].key;

		i_assert(pop3_policy_wire_get_str(line, key) != NULL);
		(void)pop3_policy_wire_get_int64(line, key, &num64);
		(void)pop3_policy_wire_get_uint32(line, key, &num32);
		(void)pop3_policy_wire_get_flag(line, key);
		pop3_policy_wire_str(dest, key, line->fields[i].value);
	}
	pop3_policy_wire_end(dest);
}

static string_t *fuzz_write(const struct pop3_policy_wire_message *message)
{
	string_t *dest = str_new(default_pool, 1024);

	pop3_policy_wire_begin(dest, message->head.name, message->id);
	fuzz_write_fields(dest, &message->head);
	for (unsigned int i = 0; i < message->item_count; i++) {
		pop3_policy_wire_item(dest, message->items[i].name);
		fuzz_write_fields(dest, &message->items[i]);
	}
	return dest;
}

static struct pop3_policy_wire_message *fuzz_read(const char *text)
{
	struct pop3_policy_wire_parser *parser =
		pop3_policy_wire_parser_init();
	struct pop3_policy_wire_message *message = NULL;
	string_t *handshake = t_str_new(64);
	const char *const *lines, *error;
	int ret;

	pop3_policy_wire_handshake(handshake);
	str_truncate(handshake, str_len(handshake) - 1);
	ret = pop3_policy_wire_parser_feed(parser, str_c(handshake), &message,
					   &error);
	i_assert(ret == 0);
	for (lines = t_strsplit(text, "\n"); lines[1] != NULL; lines++) {
		ret = pop3_policy_wire_parser_feed(parser, *lines, &message,
						   &error);
		i_assert(ret >= 0);
		i_assert((ret > 0) == (lines[2] == NULL));
	}
	pop3_policy_wire_parser_deinit(&parser);
	return message;
}

static void fuzz_again(struct pop3_policy_wire_message **message)
{
	string_t *text = fuzz_write(*message), *text2;
	struct pop3_policy_wire_message *again;

	T_BEGIN {
		again = fuzz_read(str_c(text));
	} T_END;
	i_assert(again != NULL);
	text2 = fuzz_write(again);
	i_assert(strcmp(str_c(text), str_c(text2)) == 0);
	str_free(&text);
	str_free(&text2);
	pop3_policy_wire_message_free(&again);
	pop3_policy_wire_message_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_policy_wire_parser *parser =
		pop3_policy_wire_parser_init();
	struct pop3_policy_wire_message *message;
	const char *error = NULL;
	int ret = 0;

	while (size > 0 && ret >= 0) T_BEGIN {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end == NULL ? size : (size_t)(end - data);

		message = NULL;
		ret = pop3_policy_wire_parser_feed(parser,
			fuzz_text(data, len), &message, &error);
		i_assert((ret > 0) == (message != NULL));
		i_assert(ret >= 0 || *error != '\0');
		if (message != NULL)
			fuzz_again(&message);
		data += len;
		size -= len;
		if (size > 0) {
			data++;
			size--;
		}
	} T_END;
	pop3_policy_wire_parser_deinit(&parser);
	return 0;
}
