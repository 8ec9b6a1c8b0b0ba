/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "unichar.h"
#include "pop3-policy-db-text.h"

/* --- array literals --- */

string_t *pop3_policy_array_begin(void)
{
	string_t *array = t_str_new(256);

	str_append_c(array, '{');
	return array;
}

static void pop3_policy_array_separate(string_t *array)
{
	if (str_len(array) > 1)
		str_append_c(array, ',');
}

void pop3_policy_array_add_num(string_t *array, int64_t value)
{
	pop3_policy_array_separate(array);
	str_printfa(array, "%"PRId64, value);
}

void pop3_policy_array_add_bool(string_t *array, bool value)
{
	pop3_policy_array_separate(array);
	str_append_c(array, value ? 't' : 'f');
}

void pop3_policy_array_add_text(string_t *array, const char *value)
{
	pop3_policy_array_separate(array);
	if (value == NULL) {
		str_append(array, "NULL");
		return;
	}
	/* always quoted: within quotes only these two are special */
	str_append_c(array, '"');
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			str_append_c(array, '\\');
		str_append_c(array, *value);
	}
	str_append_c(array, '"');
}

const char *pop3_policy_array_end(string_t *array)
{
	str_append_c(array, '}');
	return str_c(array);
}

const char *pop3_policy_array_from_uids(const ARRAY_TYPE(seq_range) *set)
{
	string_t *array = pop3_policy_array_begin();
	const struct seq_range *range;
	uint32_t uid;

	array_foreach(set, range) {
		for (uid = range->seq1;; uid++) {
			pop3_policy_array_add_num(array, uid);
			if (uid == range->seq2)
				break;
		}
	}
	return pop3_policy_array_end(array);
}

/* One element, up to its "," or "}". Returns what follows it, NULL if it is
   malformed. */
static const char *
pop3_policy_array_parse_element(pool_t pool, const char *p,
				const char **value_r)
{
	bool quoted = *p == '"';
	string_t *value = t_str_new(64);

	if (quoted)
		p++;
	for (; quoted ? *p != '"' : *p != ',' && *p != '}'; p++) {
		if (*p == '\\')
			p++;
		else if (!quoted && (*p == '{' || *p == '"'))
			return NULL;
		if (*p == '\0')
			return NULL;
		str_append_c(value, *p);
	}
	if (quoted)
		p++;
	else if (str_len(value) == 0)
		return NULL;

	*value_r = !quoted && strcmp(str_c(value), "NULL") == 0 ? NULL :
		p_strdup(pool, str_c(value));
	return p;
}

int pop3_policy_array_parse(pool_t pool, const char *text,
			    const char *const **values_r,
			    unsigned int *count_r, const char **error_r)
{
	ARRAY_TYPE(const_string) values;
	const char *p = text, *value;

	p_array_init(&values, pool, 32);
	if (text != NULL) {
		if (*p++ != '{') {
			*error_r = t_strdup_printf("'%s' is not an array",
						   text);
			return -1;
		}
		while (*p != '}' || array_count(&values) > 0) {
			p = pop3_policy_array_parse_element(pool, p, &value);
			if (p == NULL || (*p != ',' && *p != '}')) {
				*error_r = t_strdup_printf(
					"Malformed array '%s'", text);
				return -1;
			}
			array_push_back(&values, &value);
			if (*p == '}')
				break;
			p++;
		}
		if (p[1] != '\0') {
			*error_r = t_strdup_printf(
				"Garbage after the array '%s'", text);
			return -1;
		}
	}
	*count_r = array_count(&values);
	array_append_zero(&values);
	*values_r = array_front(&values);
	return 0;
}

/* --- multiranges --- */

const char *
pop3_policy_multirange_from_uids(const ARRAY_TYPE(seq_range) *set)
{
	string_t *str = t_str_new(128);
	const struct seq_range *range;

	str_append_c(str, '{');
	array_foreach(set, range) {
		if (str_len(str) > 1)
			str_append_c(str, ',');
		str_printfa(str, "[%u,%"PRIu64")", range->seq1,
			    (uint64_t)range->seq2 + 1);
	}
	str_append_c(str, '}');
	return str_c(str);
}

int pop3_policy_multirange_parse(const char *text,
				 ARRAY_TYPE(seq_range) *set_r,
				 const char **error_r)
{
	const char *p = text;
	uint64_t first, end;

	array_clear(set_r);
	if (text == NULL || strcmp(text, "{}") == 0)
		return 0;
	/* PostgreSQL always writes ranges of int8 as [a,b) */
	while (*p == '{' || *p == ',') {
		if (*++p != '[' ||
		    str_parse_uint64(p + 1, &first, &p) < 0 || *p != ',' ||
		    str_parse_uint64(p + 1, &end, &p) < 0 || *p != ')' ||
		    first == 0 || end <= first ||
		    end > (uint64_t)UINT32_MAX + 1)
			break;
		seq_range_array_add_range(set_r, (uint32_t)first,
					  (uint32_t)(end - 1));
		p++;
		if (p[0] == '}' && p[1] == '\0')
			return 0;
	}
	*error_r = t_strdup_printf("'%s' is not a set of UIDs", text);
	return -1;
}

/* --- others --- */

const char *pop3_policy_uuid_digits(const char *uuid)
{
	string_t *str;

	if (uuid == NULL)
		return NULL;
	str = t_str_new(32);
	for (; *uuid != '\0'; uuid++) {
		if (*uuid != '-')
			str_append_c(str, *uuid);
	}
	return str_c(str);
}

const char *pop3_policy_text_clean(const char *text, size_t max_bytes)
{
	string_t *str;
	unichar_t chr;
	int len;

	if (text == NULL)
		return NULL;
	str = t_str_new(128);
	while (*text != '\0') {
		len = uni_utf8_get_char(text, &chr);
		if (len > 0) {
			if (str_len(str) + (unsigned int)len > max_bytes)
				break;
			str_append_data(str, text, (size_t)len);
			text += len;
		} else {
			if (str_len(str) + 4 > max_bytes)
				break;
			str_printfa(str, "\\x%02X", (unsigned char)*text);
			text++;
		}
	}
	return str_c(str);
}
