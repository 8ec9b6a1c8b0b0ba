/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Rows set few parameters: only those are kept. */

#include "lib.h"
#include "strnum.h"
#include "pop3-policy-policy-cache-private.h"
#include "pop3-policy-user-policy.h"

struct pop3_policy_cache_value {
	enum pop3_policy_param param;
	int64_t num;
	char *str;
};

struct pop3_policy_cache_row {
	int64_t version;
	struct pop3_policy_cache_preset *preset;
	bool unusable;
	unsigned int count;
	struct pop3_policy_cache_value values[FLEXIBLE_ARRAY_MEMBER];
};

struct pop3_policy_cache_row *
pop3_policy_cache_row_create(const char *version, const char *values,
			     struct pop3_policy_cache_preset *preset)
{
	struct pop3_policy_cache_row *row;
	struct pop3_policy_row parsed;
	unsigned int i, count = 0;
	const char *error;
	int64_t num;

	i_zero(&parsed);
	if (version == NULL || str_to_int64(version, &num) < 0 ||
	    pop3_policy_user_policy_parse_values(pool_datastack_create(),
						 values, &parsed, &error) < 0) {
		row = i_malloc(sizeof(*row));
		row->unusable = TRUE;
		return row;
	}
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (parsed.set[i])
			count++;
	}
	row = i_malloc(MALLOC_ADD(sizeof(*row),
				  MALLOC_MULTIPLY(sizeof(row->values[0]),
						  count)));
	row->version = num;
	row->preset = preset;
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (!parsed.set[i])
			continue;
		row->values[row->count].param = (enum pop3_policy_param)i;
		row->values[row->count].num = parsed.values[i].num;
		row->values[row->count].str = i_strdup(parsed.values[i].str);
		row->count++;
	}
	return row;
}

void pop3_policy_cache_row_free(struct pop3_policy_cache_row **_row)
{
	struct pop3_policy_cache_row *row = *_row;
	unsigned int i;

	*_row = NULL;
	if (row == NULL)
		return;
	for (i = 0; i < row->count; i++)
		i_free(row->values[i].str);
	i_free(row);
}

int64_t
pop3_policy_cache_row_version(const struct pop3_policy_cache_row *row)
{
	return row->version;
}

struct pop3_policy_cache_preset *
pop3_policy_cache_row_preset(const struct pop3_policy_cache_row *row)
{
	return row->preset;
}

bool pop3_policy_cache_row_get(const struct pop3_policy_cache_row *row,
			       pool_t pool, struct pop3_policy_row *row_r)
{
	const struct pop3_policy_cache_value *value;
	unsigned int i;

	i_zero(row_r);
	for (i = 0; i < row->count; i++) {
		value = &row->values[i];
		row_r->set[value->param] = TRUE;
		row_r->values[value->param].num = value->num;
		row_r->values[value->param].str = p_strdup(pool, value->str);
	}
	return !row->unusable;
}
