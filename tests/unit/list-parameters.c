/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* For checks that compare the engine with other places that know the
   parameters. Without arguments, print the table, one parameter a line: name,
   built-in value in canonical form and as a person reads it, what is allowed,
   lowest and highest number, words of the list (separated by commas), word for
   none, whether as-configured is allowed (1 or 0), description; separated by
   tabs, empty where the parameter has no such thing. With arguments NAME=VALUE, print each value's canonical
   form, or fail with the error. */

#include "lib.h"
#include "pop3-policy-effective.h"

#include <stdio.h>

static void print_param(enum pop3_policy_param param,
			const struct pop3_policy_value *value)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	bool bounded = info->max != 0;

	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", info->name,
	       pop3_policy_value_canonical(param, value),
	       pop3_policy_value_human(param, value),
	       pop3_policy_param_allowed(param),
	       !bounded ? "" : t_strdup_printf("%"PRId64, info->min),
	       !bounded ? "" : t_strdup_printf("%"PRId64, info->max),
	       info->words == NULL ? "" : t_strarray_join(info->words, ","),
	       info->none_word == NULL ? "" : info->none_word,
	       info->as_configured ? 1 : 0, info->description);
}

static void print_table(void)
{
	struct pop3_policy policy;

	pop3_policy_init_builtin(&policy);
	for (unsigned int i = 0; i < POP3_POLICY_PARAM_COUNT; i++) T_BEGIN {
		print_param((enum pop3_policy_param)i, &policy.values[i]);
	} T_END;
}

static int print_value(const char *arg)
{
	const char *text = strchr(arg, '='), *error, *nearest;
	enum pop3_policy_param param;
	struct pop3_policy_value value;

	if (text == NULL) {
		fprintf(stderr, "%s: not NAME=VALUE\n", arg);
		return -1;
	}
	if (!pop3_policy_param_find(t_strdup_until(arg, text), &param,
				    &nearest)) {
		fprintf(stderr, "%s: there is no such parameter, "
			"did you mean %s?\n", arg, nearest);
		return -1;
	}
	if (pop3_policy_value_parse(pool_datastack_create(), param, text + 1,
				    &value, &error) < 0) {
		fprintf(stderr, "%s\n", error);
		return -1;
	}
	printf("%s\n", pop3_policy_value_canonical(param, &value));
	return 0;
}

int main(int argc, char *argv[])
{
	int ret = 0;

	lib_init();
	if (argc == 1)
		print_table();
	for (int i = 1; i < argc; i++) T_BEGIN {
		if (print_value(argv[i]) < 0)
			ret = 1;
	} T_END;
	lib_deinit();
	return ret;
}
