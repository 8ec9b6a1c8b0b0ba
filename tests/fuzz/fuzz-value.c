/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Values of parameters, as people and the database write them. The first byte
   says of which parameter. */

#include "lib.h"
#include "pop3-policy-param.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

static void fuzz_same(const struct pop3_policy_value *value1,
		      const struct pop3_policy_value *value2)
{
	i_assert(value1->num == value2->num);
	i_assert(null_strcmp(value1->str, value2->str) == 0);
}

/* A value is read as it was written, for people and for the database. */
static void fuzz_written(enum pop3_policy_param param,
			 const struct pop3_policy_value *value)
{
	pool_t pool = pool_datastack_create();
	struct pop3_policy_value again;
	const char *error;

	i_assert(pop3_policy_value_parse_canonical(pool, param,
		pop3_policy_value_canonical(param, value), &again,
		&error) == 0);
	fuzz_same(value, &again);
	if (pop3_policy_param_info(param)->type == POP3_POLICY_TYPE_MAILBOX &&
	    strcmp(value->str, t_str_trim(value->str, " ")) != 0)
		return;
	i_assert(pop3_policy_value_parse(pool, param,
		pop3_policy_value_human(param, value), &again, &error) == 0);
	fuzz_same(value, &again);
}

static void fuzz_value(enum pop3_policy_param param, const char *text)
{
	pool_t pool = pool_datastack_create();
	struct pop3_policy_value value;
	const char *error = NULL;

	if (pop3_policy_value_parse(pool, param, text, &value, &error) < 0)
		i_assert(error != NULL);
	else
		fuzz_written(param, &value);
	error = NULL;
	if (pop3_policy_value_parse_canonical(pool, param, text, &value,
					      &error) < 0) {
		i_assert(error != NULL);
	} else {
		i_assert(strcmp(pop3_policy_value_canonical(param, &value),
				text) == 0);
		fuzz_written(param, &value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum pop3_policy_param param;
	const char *nearest;

	if (size == 0)
		return 0;
	T_BEGIN {
		const char *text = fuzz_text(data + 1, size - 1);

		/* letters, so that inputs can be read */
		fuzz_value((data[0] + POP3_POLICY_PARAM_COUNT * 4 - 'A') %
			   POP3_POLICY_PARAM_COUNT, text);
		/* looks for the nearest name, which takes its time */
		if (size < 64 &&
		    !pop3_policy_param_find(text, &param, &nearest))
			i_assert(nearest != NULL);
	} T_END;
	return 0;
}
