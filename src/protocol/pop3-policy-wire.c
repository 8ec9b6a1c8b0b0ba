/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Writing messages, and looking up the fields of those that were read. */

#include "lib.h"
#include "str.h"
#include "strescape.h"
#include "strnum.h"
#include "pop3-policy-protocol.h"

void pop3_policy_wire_handshake(string_t *dest)
{
	str_printfa(dest, "VERSION\t"POP3_POLICY_PROTOCOL_NAME"\t%u\t%u\n",
		    POP3_POLICY_PROTOCOL_MAJOR, POP3_POLICY_PROTOCOL_MINOR);
}

void pop3_policy_wire_begin(string_t *dest, const char *verb, unsigned int id)
{
	str_printfa(dest, "%s\t%u", verb, id);
}

void pop3_policy_wire_item(string_t *dest, const char *type)
{
	str_append(dest, "ITEM\t");
	str_append(dest, type);
}

static void wire_key(string_t *dest, const char *key)
{
	/* the reader splits at the first '=' */
	i_assert(*key != '\0' && strchr(key, '=') == NULL);
	str_append_c(dest, '\t');
	str_append_tabescaped(dest, key);
	str_append_c(dest, '=');
}

void pop3_policy_wire_str(string_t *dest, const char *key, const char *value)
{
	if (value == NULL)
		return;
	wire_key(dest, key);
	str_append_tabescaped(dest, value);
}

void pop3_policy_wire_num(string_t *dest, const char *key, int64_t value)
{
	wire_key(dest, key);
	str_printfa(dest, "%"PRId64, value);
}

void pop3_policy_wire_flag(string_t *dest, const char *key, bool value)
{
	if (value)
		pop3_policy_wire_str(dest, key, "1");
}

void pop3_policy_wire_end(string_t *dest)
{
	str_append_c(dest, '\n');
}

const char *pop3_policy_wire_get_str(const struct pop3_policy_wire_line *line,
				     const char *key)
{
	for (unsigned int i = 0; i < line->field_count; i++) {
		if (strcmp(line->fields[i].key, key) == 0)
			return line->fields[i].value;
	}
	return NULL;
}

int pop3_policy_wire_get_int64(const struct pop3_policy_wire_line *line,
			       const char *key, int64_t *num_r)
{
	const char *value = pop3_policy_wire_get_str(line, key);
	int64_t num;

	if (value == NULL)
		return 0;
	if (str_to_int64(value, &num) < 0)
		return -1;
	*num_r = num;
	return 1;
}

int pop3_policy_wire_get_uint32(const struct pop3_policy_wire_line *line,
				const char *key, uint32_t *num_r)
{
	const char *value = pop3_policy_wire_get_str(line, key);
	uint32_t num;

	if (value == NULL)
		return 0;
	if (str_to_uint32(value, &num) < 0)
		return -1;
	*num_r = num;
	return 1;
}

bool pop3_policy_wire_get_flag(const struct pop3_policy_wire_line *line,
			       const char *key)
{
	const char *value = pop3_policy_wire_get_str(line, key);

	return value != NULL && strcmp(value, "1") == 0;
}
