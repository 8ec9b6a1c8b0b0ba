/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-user-policy.h"

/* A row without values: removals by policy are stopped. */
#define POP3_POLICY_LEVEL_STOPPED POP3_POLICY_LEVEL_ROWS

int pop3_policy_user_policy_parse_values(pool_t pool, const char *text,
					 struct pop3_policy_row *row,
					 const char **error_r)
{
	const char *const *values;
	unsigned int i, count;

	if (pop3_policy_array_parse(pool, text, &values, &count, error_r) < 0)
		return -1;
	if (count < POP3_POLICY_PARAM_COUNT) {
		*error_r = t_strdup_printf("%u values", count);
		return -1;
	}
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (values[i] == NULL)
			continue;
		if (pop3_policy_value_parse_canonical(pool, i, values[i],
						      &row->values[i],
						      error_r) < 0)
			return -1;
		row->set[i] = TRUE;
	}
	return 0;
}

const char *
pop3_policy_user_policy_version(const int64_t versions[POP3_POLICY_LEVEL_ROWS],
				bool stopped)
{
	string_t *str = t_str_new(64);
	unsigned int i;

	for (i = 0; i < POP3_POLICY_LEVEL_ROWS; i++) {
		str_printfa(str, "%s%"PRId64, i == 0 ? "" : ".",
			    versions[i]);
	}
	if (stopped)
		str_append(str, ".stopped");
	return str_c(str);
}

int pop3_policy_user_policy_merge(pool_t pool,
				  const struct pop3_policy_db_result *result,
				  struct pop3_policy *policy_r,
				  const char **version_r,
				  const char **stopped_r,
				  const char **error_r)
{
	const struct pop3_policy_row *rows[POP3_POLICY_LEVEL_ROWS] = { NULL };
	int64_t version, versions[POP3_POLICY_LEVEL_ROWS] = { 0 };
	struct pop3_policy_row *row;
	const char *level_text, *version_text, *error;
	unsigned int i, level;

	*stopped_r = NULL;
	for (i = 0; i < pop3_policy_db_result_rows(result); i++) {
		level_text = pop3_policy_db_result_get(result, i, 0);
		version_text = pop3_policy_db_result_get(result, i, 2);
		if (level_text == NULL || version_text == NULL ||
		    str_to_uint(level_text, &level) < 0 ||
		    str_to_int64(version_text, &version) < 0)
			level = UINT_MAX;
		if (level == POP3_POLICY_LEVEL_STOPPED) {
			*stopped_r = pop3_policy_db_result_get(result, i, 1);
			continue;
		}
		if (level >= POP3_POLICY_LEVEL_ROWS || rows[level] != NULL) {
			*error_r = "pop3.policy_levels() returned a wrong level";
			return -1;
		}
		row = p_new(pool, struct pop3_policy_row, 1);
		if (pop3_policy_user_policy_parse_values(pool,
				pop3_policy_db_result_get(result, i, 3), row,
				&error) < 0) {
			*error_r = t_strdup_printf("policy of %s: %s",
				pop3_policy_db_result_get(result, i, 1),
				error);
			return -1;
		}
		rows[level] = row;
		versions[level] = version;
	}
	pop3_policy_merge(rows, policy_r);
	policy_r->paused = *stopped_r != NULL;

	*version_r = p_strdup(pool, pop3_policy_user_policy_version(
		versions, policy_r->paused));
	return 0;
}

void pop3_policy_user_policy_write(string_t *dest, const char *version,
				   const struct pop3_policy *policy)
{
	const char *key;
	unsigned int i;

	pop3_policy_wire_str(dest, "version", version);
	pop3_policy_wire_flag(dest, "paused", policy->paused);
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		key = t_strconcat("p.", pop3_policy_param_info(i)->name, NULL);
		pop3_policy_wire_str(dest, key, pop3_policy_value_canonical(
			i, &policy->values[i]));
	}
}
