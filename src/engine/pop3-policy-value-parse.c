/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Values as people write them. */

#include "lib.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-param-private.h"

#include <ctype.h>

#define BLANKS " \t\r\n"

enum parse_result {
	PARSE_OK,
	/* cannot be understood */
	PARSE_SYNTAX,
	/* understood, but a unit is missing */
	PARSE_NO_UNIT,
	/* understood, but beyond the bounds */
	PARSE_RANGE
};

struct unit {
	/* in small letters, separated by spaces */
	const char *names;
	int64_t factor;
};

/* Months and years have no fixed length, so they are not here. */
static const struct unit time_units[] = {
	{ "s sec secs second seconds", 1 },
	{ "m min mins minute minutes", 60 },
	{ "h hr hrs hour hours", 3600 },
	{ "d day days", 86400 },
	{ "w week weeks", 7 * 86400 },
	{ NULL, 0 }
};

static const struct unit size_units[] = {
	{ "b byte bytes", 1 },
	{ "k kb kib", 1LL << 10 },
	{ "m mb mib", 1LL << 20 },
	{ "g gb gib", 1LL << 30 },
	{ "t tb tib", 1LL << 40 },
	{ NULL, 0 }
};

static const struct unit percent_units[] = {
	{ "%", 1 },
	{ NULL, 0 }
};

/* Returns 0 if there is no such unit. */
static int64_t unit_factor(const struct unit *units, const char *name)
{
	const char *lower = t_str_lcase(name);

	for (; units->names != NULL; units++) {
		if (str_array_find(t_strsplit(units->names, " "), lower))
			return units->factor;
	}
	return 0;
}

/* A whole number, blanks, and perhaps a unit. *unit_r is "" if there is none.
   A number that is too large is INT64_MAX. */
static bool parse_amount(const char *text, int64_t *num_r, const char **unit_r)
{
	uint64_t num;
	const char *p = text;

	while (i_isdigit(*p))
		p++;
	if (p == text)
		return FALSE;
	if (str_to_uint64(t_strdup_until(text, p), &num) < 0 ||
	    num > INT64_MAX)
		num = INT64_MAX;
	*num_r = (int64_t)num;
	*unit_r = p + strspn(p, BLANKS);
	return TRUE;
}

static enum parse_result
parse_num(const struct pop3_policy_param_info *info, const char *text,
	  int64_t *num_r)
{
	const struct unit *units = NULL;
	const char *unit;
	int64_t num, factor = 1;

	if (!parse_amount(text, &num, &unit))
		return PARSE_SYNTAX;
	if (info->type == POP3_POLICY_TYPE_TIME) {
		if (*unit == '\0' && num != 0)
			return PARSE_NO_UNIT;
		/* "3M" more likely means months */
		if (strcmp(unit, "M") == 0)
			return PARSE_SYNTAX;
		units = time_units;
	} else if (info->type == POP3_POLICY_TYPE_SIZE) {
		units = size_units;
	} else if (info->type == POP3_POLICY_TYPE_PERCENT) {
		units = percent_units;
	}
	if (*unit != '\0') {
		if (units == NULL || (factor = unit_factor(units, unit)) == 0)
			return PARSE_SYNTAX;
	}
	if (num > info->max / factor || num * factor < info->min)
		return PARSE_RANGE;
	*num_r = num * factor;
	return PARSE_OK;
}

static enum parse_result
parse_timestamp(const struct pop3_policy_param_info *info, const char *text,
		int64_t *num_r)
{
	int64_t num;

	if (pop3_policy_timestamp_parse(text, &num) < 0)
		return PARSE_SYNTAX;
	if (num < info->min || num > info->max)
		return PARSE_RANGE;
	*num_r = num;
	return PARSE_OK;
}

int pop3_policy_percents_parse(const struct pop3_policy_param_info *info,
			       const char *text, const char **list_r)
{
	const char *const *parts = t_strsplit(text, ",");
	string_t *list = t_str_new(32);
	const char *unit;
	int64_t num, prev = info->min - 1;

	for (; *parts != NULL; parts++) {
		if (!parse_amount(t_str_trim(*parts, BLANKS), &num, &unit) ||
		    (*unit != '\0' && strcmp(unit, "%") != 0))
			return -1;
		if (num <= prev || num > info->max)
			return -1;
		prev = num;
		if (str_len(list) > 0)
			str_append_c(list, ',');
		str_printfa(list, "%"PRId64, num);
	}
	*list_r = str_c(list);
	return 0;
}

static const char *type_noun(enum pop3_policy_type type)
{
	switch (type) {
	case POP3_POLICY_TYPE_TIME:
		return "time";
	case POP3_POLICY_TYPE_TIMESTAMP:
		return "date or time";
	case POP3_POLICY_TYPE_SIZE:
		return "size";
	case POP3_POLICY_TYPE_PERCENT:
		return "percentage";
	case POP3_POLICY_TYPE_NUMBER:
	case POP3_POLICY_TYPE_ENUM:
	case POP3_POLICY_TYPE_PERCENTS:
	case POP3_POLICY_TYPE_MAILBOX:
		break;
	}
	return "whole number";
}

/* How values of the parameter's type are written. */
static const char *syntax_use(const struct pop3_policy_param_info *info)
{
	const char *how = "a whole number";

	if (info->type == POP3_POLICY_TYPE_TIME) {
		how = "seconds, minutes, hours, days or weeks, such as 14d, "
			"36h";
	} else if (info->type == POP3_POLICY_TYPE_TIMESTAMP) {
		how = "2026-01-31, 2026-01-31 12:00 (UTC) or "
			"2026-01-31T12:00:00+01:00";
	} else if (info->type == POP3_POLICY_TYPE_SIZE) {
		how = "bytes, kB, MB, GB or TB, such as 500M, 1G";
	} else if (info->type == POP3_POLICY_TYPE_PERCENT) {
		how = "a whole number, such as 50%";
	}
	return t_strconcat(how, pop3_policy_param_specials(info), NULL);
}

static const char *
result_error(enum pop3_policy_param param, const char *text,
	     enum parse_result result)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	const char *problem;

	switch (result) {
	case PARSE_NO_UNIT:
		return pop3_policy_param_error(info, text, "has no unit",
					       syntax_use(info));
	case PARSE_RANGE:
		return pop3_policy_param_error(info, text, "is out of range",
			pop3_policy_param_allowed(param));
	case PARSE_SYNTAX:
	case PARSE_OK:
		break;
	}
	problem = t_strdup_printf("is not a %s", type_noun(info->type));
	return pop3_policy_param_error(info, text, problem, syntax_use(info));
}

/* "never", "unlimited", "none", "as-configured". Returns TRUE if text is one
   that the parameter has. */
static bool parse_special(const struct pop3_policy_param_info *info,
			  const char *word, int64_t *num_r)
{
	if (info->none_word != NULL &&
	    (strcmp(word, POP3_POLICY_WORD_NEVER) == 0 ||
	     strcmp(word, POP3_POLICY_WORD_UNLIMITED) == 0 ||
	     strcmp(word, info->none_word) == 0)) {
		*num_r = POP3_POLICY_NEVER;
		return TRUE;
	}
	if (info->as_configured &&
	    strcmp(word, POP3_POLICY_WORD_AS_CONFIGURED) == 0) {
		*num_r = POP3_POLICY_AS_CONFIGURED;
		return TRUE;
	}
	return FALSE;
}

static int
parse_string(pool_t pool, enum pop3_policy_param param, const char *text,
	     struct pop3_policy_value *value_r, const char **error_r)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	const char *problem = NULL, *str = text;
	int64_t none;

	if (info->type == POP3_POLICY_TYPE_MAILBOX)
		(void)pop3_policy_mailbox_check(text, &problem);
	else if (*text == '\0' ||
		 parse_special(info, t_str_lcase(text), &none))
		str = "";
	else if (pop3_policy_percents_parse(info, text, &str) < 0)
		problem = "is not a list of percents";
	if (problem != NULL) {
		*error_r = pop3_policy_param_error(info, text, problem,
			pop3_policy_param_allowed(param));
		return -1;
	}
	value_r->str = p_strdup(pool, str);
	return 0;
}

int pop3_policy_value_parse(pool_t pool, enum pop3_policy_param param,
			    const char *text, struct pop3_policy_value *value_r,
			    const char **error_r)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	enum parse_result result;
	const char *word;

	i_zero(value_r);
	text = t_str_trim(text, BLANKS);
	word = t_str_lcase(text);

	switch (info->type) {
	case POP3_POLICY_TYPE_ENUM:
		value_r->num = pop3_policy_param_word(info, word);
		if (value_r->num >= 0)
			return 0;
		*error_r = pop3_policy_param_error(info, text,
			"is not allowed", pop3_policy_param_allowed(param));
		return -1;
	case POP3_POLICY_TYPE_PERCENTS:
	case POP3_POLICY_TYPE_MAILBOX:
		return parse_string(pool, param, text, value_r, error_r);
	case POP3_POLICY_TYPE_TIME:
	case POP3_POLICY_TYPE_TIMESTAMP:
	case POP3_POLICY_TYPE_SIZE:
	case POP3_POLICY_TYPE_NUMBER:
	case POP3_POLICY_TYPE_PERCENT:
		break;
	}
	if (parse_special(info, word, &value_r->num))
		return 0;
	result = info->type == POP3_POLICY_TYPE_TIMESTAMP ?
		parse_timestamp(info, text, &value_r->num) :
		parse_num(info, text, &value_r->num);
	if (result == PARSE_OK)
		return 0;
	*error_r = result_error(param, text, result);
	return -1;
}
