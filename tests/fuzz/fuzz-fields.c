/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Fields of requests, as the service checks them. What is taken must be fit to
   be a parameter of a statement. */

#include "lib.h"
#include "array.h"
#include "unichar.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-fields.h"
#include "fuzz.h"



void fuzz_begin(void)
{
}

static void fuzz_check(const char *value, size_t max_bytes)
{
	if (value == NULL)
		return;
	i_assert(uni_utf8_str_is_valid(value));
	i_assert(strlen(value) <= max_bytes);
}

static void
fuzz_field(const struct pop3_policy_wire_line *line, const char *key)
{
	static const char *const words[] = { "quit", "committed", "expunge",
					     NULL };
	struct pop3_policy_fields fields;
	ARRAY_TYPE(seq_range) set;
	int64_t num;

	i_zero(&fields);
	pop3_policy_fields_line(&fields, line);
	fuzz_check(pop3_policy_fields_text(&fields, key,
					   POP3_POLICY_MAX_UIDL),
		   POP3_POLICY_MAX_UIDL);
	pop3_policy_fields_uids(&fields, key, &set);
	(void)pop3_policy_fields_word(&fields, key, words,
				      POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_guid(&fields, key, POP3_POLICY_REQUIRED);
	(void)pop3_policy_fields_uid(&fields, key, POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_size(&fields, key, POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_seconds(&fields, key, POP3_POLICY_OPTIONAL);
	(void)pop3_policy_fields_flag(&fields, key);

	i_zero(&fields);
	pop3_policy_fields_line(&fields, line);
	num = pop3_policy_fields_int64(&fields, key, -1, 1000,
				       POP3_POLICY_OPTIONAL);
	i_assert(fields.error != NULL || (num >= -1 && num <= 1000));
}

static void fuzz_line(const struct pop3_policy_wire_line *line)
{
	struct pop3_policy_fields fields;
	const char *user;

	i_zero(&fields);
	pop3_policy_fields_line(&fields, line);
	user = pop3_policy_fields_user(&fields);
	if (fields.error == NULL) {
		fuzz_check(user, POP3_POLICY_MAX_NAME);
		i_assert(*user != '\0');
	}
	(void)pop3_policy_fields_action(&fields);
	(void)pop3_policy_fields_reason(&fields);
	for (unsigned int i = 0; i < line->field_count; i++)
		fuzz_field(line, line->fields[i].key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_policy_wire_parser *parser =
		pop3_policy_wire_parser_init();
	struct pop3_policy_wire_message *message;
	const char *error;
	int ret = 0;

	T_BEGIN {
		const char *const *lines =
			t_strsplit(fuzz_text(data, size), "\n");

		for (; *lines != NULL && ret >= 0; lines++) T_BEGIN {
			ret = pop3_policy_wire_parser_feed(parser, *lines,
							   &message, &error);
			if (ret > 0) {
				fuzz_line(&message->head);
				for (unsigned int i = 0;
				     i < message->item_count; i++)
					fuzz_line(&message->items[i]);
				pop3_policy_wire_message_free(&message);
			}
		} T_END;
	} T_END;
	pop3_policy_wire_parser_deinit(&parser);
	return 0;
}
