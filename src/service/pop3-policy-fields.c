/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "strfuncs.h"
#include "unichar.h"
#include "pop3-policy-disposition.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-fields.h"

void pop3_policy_fields_wrong(struct pop3_policy_fields *fields,
			      const char *key, const char *what)
{
	if (fields->error != NULL)
		return;
	fields->error = t_strdup_printf("%s: field %s %s", fields->line->name,
					key, what);
}

static const char *
pop3_policy_fields_get(struct pop3_policy_fields *fields, const char *key,
		       enum pop3_policy_need need)
{
	const char *value = pop3_policy_wire_get_str(fields->line, key);

	if (value == NULL && need == POP3_POLICY_REQUIRED)
		pop3_policy_fields_wrong(fields, key, "is missing");
	return value;
}

void pop3_policy_fields_line(struct pop3_policy_fields *fields,
			     const struct pop3_policy_wire_line *line)
{
	fields->line = line;
}

const char *pop3_policy_fields_text(struct pop3_policy_fields *fields,
				    const char *key, size_t max_bytes)
{
	return pop3_policy_text_clean(
		pop3_policy_wire_get_str(fields->line, key), max_bytes);
}

const char *pop3_policy_fields_user(struct pop3_policy_fields *fields)
{
	const char *user = pop3_policy_fields_get(fields, "user",
						  POP3_POLICY_REQUIRED);

	if (user == NULL)
		return "";
	if (*user == '\0' || strlen(user) > POP3_POLICY_MAX_NAME ||
	    !uni_utf8_str_is_valid(user)) {
		pop3_policy_fields_wrong(fields, "user",
			"is empty, too long, or not UTF-8");
	}
	return user;
}

const char *pop3_policy_fields_word(struct pop3_policy_fields *fields,
				    const char *key,
				    const char *const *words,
				    enum pop3_policy_need need)
{
	const char *value = pop3_policy_fields_get(fields, key, need);

	if (value != NULL && !str_array_find(words, value))
		pop3_policy_fields_wrong(fields, key, "has an unknown word");
	return value;
}

const char *pop3_policy_fields_action(struct pop3_policy_fields *fields)
{
	const char *value = pop3_policy_fields_get(fields, "action",
						   POP3_POLICY_REQUIRED);
	enum pop3_policy_action action;

	/* "flag" is Dovecot's pop3_delete_type, not the policy's */
	if (value != NULL && strcmp(value, "flag") != 0 &&
	    pop3_policy_action_parse(value, &action) < 0)
		pop3_policy_fields_wrong(fields, "action",
					 "has an unknown word");
	return value;
}

const char *pop3_policy_fields_reason(struct pop3_policy_fields *fields)
{
	const char *value = pop3_policy_fields_get(fields, "reason",
						   POP3_POLICY_REQUIRED);
	enum pop3_policy_reason reason;

	if (value != NULL && pop3_policy_reason_parse(value, &reason) < 0)
		pop3_policy_fields_wrong(fields, "reason",
					 "has an unknown word");
	return value;
}

const char *pop3_policy_fields_guid(struct pop3_policy_fields *fields,
				    const char *key,
				    enum pop3_policy_need need)
{
	const char *value = pop3_policy_fields_get(fields, key, need);
	guid_128_t guid;

	if (value == NULL)
		return NULL;
	if (pop3_policy_guid_parse(value, guid) < 0) {
		pop3_policy_fields_wrong(fields, key, "is not 32 hex digits");
		return NULL;
	}
	return guid_128_to_string(guid);
}

int64_t pop3_policy_fields_int64(struct pop3_policy_fields *fields,
				 const char *key, int64_t min, int64_t max,
				 enum pop3_policy_need need)
{
	int64_t num = 0;

	if (pop3_policy_fields_get(fields, key, need) == NULL)
		return 0;
	if (pop3_policy_wire_get_int64(fields->line, key, &num) <= 0 ||
	    num < min || num > max) {
		pop3_policy_fields_wrong(fields, key, t_strdup_printf(
			"is not a number from %"PRId64" to %"PRId64,
			min, max));
	}
	return num;
}

const char *pop3_policy_fields_num(struct pop3_policy_fields *fields,
				   const char *key, int64_t min, int64_t max,
				   enum pop3_policy_need need)
{
	int64_t num = pop3_policy_fields_int64(fields, key, min, max, need);

	if (pop3_policy_wire_get_str(fields->line, key) == NULL)
		return NULL;
	return t_strdup_printf("%"PRId64, num);
}

const char *pop3_policy_fields_uid(struct pop3_policy_fields *fields,
				   const char *key, enum pop3_policy_need need)
{
	return pop3_policy_fields_num(fields, key, 1, UINT32_MAX, need);
}

const char *pop3_policy_fields_size(struct pop3_policy_fields *fields,
				    const char *key,
				    enum pop3_policy_need need)
{
	return pop3_policy_fields_num(fields, key, 0, 1LL << 62, need);
}

const char *pop3_policy_fields_seconds(struct pop3_policy_fields *fields,
				       const char *key,
				       enum pop3_policy_need need)
{
	const char *value = pop3_policy_fields_get(fields, key, need);
	size_t whole, fraction = 0;

	if (value == NULL)
		return NULL;
	whole = strspn(value, "0123456789");
	if (value[whole] == '.')
		fraction = 1 + strspn(value + whole + 1, "0123456789");
	/* until the year 9999 */
	if (whole < 1 || whole > 12 || fraction == 1 || fraction > 12 ||
	    value[whole + fraction] != '\0')
		pop3_policy_fields_wrong(fields, key, "is not in seconds");
	return value;
}

const char *pop3_policy_fields_flag(struct pop3_policy_fields *fields,
				    const char *key)
{
	return pop3_policy_wire_get_flag(fields->line, key) ? "t" : "f";
}

void pop3_policy_fields_uids(struct pop3_policy_fields *fields,
			     const char *key, ARRAY_TYPE(seq_range) *set_r)
{
	const char *value = pop3_policy_fields_get(fields, key,
						   POP3_POLICY_OPTIONAL);

	t_array_init(set_r, 8);
	if (value != NULL && pop3_policy_uidset_parse(value, set_r) < 0)
		pop3_policy_fields_wrong(fields, key, "is not a set of UIDs");
}
