/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The effective policy: rows of all levels merged over the built-in values. */

#include "lib.h"
#include "pop3-policy-effective.h"

static void pop3_policy_parse_builtin(struct pop3_policy *policy_r)
{
	unsigned int i;

	i_zero(policy_r);
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) T_BEGIN {
		enum pop3_policy_param param = (enum pop3_policy_param)i;
		const char *builtin = pop3_policy_param_info(param)->builtin;
		struct pop3_policy_value *value = &policy_r->values[i];
		const char *error;

		if (pop3_policy_value_parse_canonical(
				pool_datastack_create(), param, builtin,
				value, &error) < 0)
			i_panic("Built-in value: %s", error);
		/* the table's string outlives the data stack */
		if (value->str != NULL)
			value->str = builtin;
		policy_r->from[i] = POP3_POLICY_LEVEL_BUILTIN;
	} T_END;
}

void pop3_policy_init_builtin(struct pop3_policy *policy_r)
{
	/* for each merge, of which there is one a login */
	static struct pop3_policy builtin;
	static bool parsed = FALSE;

	if (!parsed) {
		pop3_policy_parse_builtin(&builtin);
		parsed = TRUE;
	}
	*policy_r = builtin;
}

static bool
row_holds(const struct pop3_policy_row *row)
{
	return row->set[POP3_POLICY_PARAM_POP3_HOLD] &&
		row->values[POP3_POLICY_PARAM_POP3_HOLD].num ==
		POP3_POLICY_YES;
}

void pop3_policy_merge(const struct pop3_policy_row *
			const rows[POP3_POLICY_LEVEL_ROWS],
		       struct pop3_policy *policy_r)
{
	unsigned int level, i;

	pop3_policy_init_builtin(policy_r);
	/* the least specific first, so that the others override it */
	for (level = POP3_POLICY_LEVEL_ROWS; level-- > 0; ) {
		const struct pop3_policy_row *row = rows[level];

		if (row == NULL)
			continue;
		for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
			if (!row->set[i])
				continue;
			/* nobody below can lift a hold */
			if (i == POP3_POLICY_PARAM_POP3_HOLD &&
			    policy_r->values[i].num == POP3_POLICY_YES &&
			    !row_holds(row))
				continue;
			policy_r->values[i] = row->values[i];
			policy_r->from[i] = (enum pop3_policy_level)level;
		}
	}
}
