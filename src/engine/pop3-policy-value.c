/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Values in canonical form and for people to read; what is allowed. */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "strnum.h"
#include "unichar.h"
#include "pop3-policy-param-private.h"

/* How much of a wrong value an error repeats, in bytes. */
#define MAX_QUOTED 80

static const struct {
	int64_t seconds;
	const char *name;
} time_units[] = {
	{ 86400, "day" },
	{ 3600, "hour" },
	{ 60, "minute" },
	{ 1, "second" },
};

static const struct {
	int64_t bytes;
	const char *name;
} size_units[] = {
	{ 1LL << 40, "TB" },
	{ 1LL << 30, "GB" },
	{ 1LL << 20, "MB" },
	{ 1LL << 10, "kB" },
};

int pop3_policy_param_word(const struct pop3_policy_param_info *info,
			   const char *word)
{
	for (int i = 0; info->words[i] != NULL; i++) {
		if (strcmp(info->words[i], word) == 0)
			return i;
	}
	return -1;
}

const char *
pop3_policy_param_specials(const struct pop3_policy_param_info *info)
{
	if (info->as_configured) {
		return t_strdup_printf(", %s or "POP3_POLICY_WORD_AS_CONFIGURED,
				       info->none_word);
	}
	if (info->none_word != NULL)
		return t_strdup_printf(", or %s", info->none_word);
	return "";
}

static const char *time_human(int64_t num)
{
	unsigned int i = 0;

	while (num % time_units[i].seconds != 0 ||
	       (num == 0 && time_units[i].seconds != 1))
		i++;
	num /= time_units[i].seconds;
	return t_strdup_printf("%"PRId64" %s%s", num, time_units[i].name,
			       num == 1 ? "" : "s");
}

static const char *size_human(int64_t num)
{
	for (unsigned int i = 0; num > 0 && i < N_ELEMENTS(size_units); i++) {
		if (num % size_units[i].bytes == 0) {
			return t_strdup_printf("%"PRId64" %s",
				num / size_units[i].bytes, size_units[i].name);
		}
	}
	return t_strdup_printf("%"PRId64" byte%s", num, num == 1 ? "" : "s");
}

const char *pop3_policy_num_human(const struct pop3_policy_param_info *info,
				  int64_t num)
{
	switch (info->type) {
	case POP3_POLICY_TYPE_ENUM:
		return info->words[num];
	case POP3_POLICY_TYPE_TIME:
		return time_human(num);
	case POP3_POLICY_TYPE_TIMESTAMP:
		return pop3_policy_timestamp_human(num);
	case POP3_POLICY_TYPE_SIZE:
		return size_human(num);
	case POP3_POLICY_TYPE_NUMBER:
		return t_strdup_printf("%"PRId64, num);
	case POP3_POLICY_TYPE_PERCENT:
		return t_strdup_printf("%"PRId64"%%", num);
	case POP3_POLICY_TYPE_PERCENTS:
	case POP3_POLICY_TYPE_MAILBOX:
		break;
	}
	i_unreached();
}

static const char *words_allowed(const struct pop3_policy_param_info *info)
{
	string_t *str = t_str_new(64);

	for (unsigned int i = 0; info->words[i] != NULL; i++) {
		if (i > 0) {
			str_append(str, info->words[i + 1] == NULL ?
				   " or " : ", ");
		}
		str_append(str, info->words[i]);
	}
	return str_c(str);
}

const char *pop3_policy_param_allowed(enum pop3_policy_param param)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);

	switch (info->type) {
	case POP3_POLICY_TYPE_ENUM:
		return words_allowed(info);
	case POP3_POLICY_TYPE_PERCENTS:
		return t_strdup_printf("ascending whole percents from "
			"%"PRId64" to %"PRId64", such as 80,95%s",
			info->min, info->max,
			pop3_policy_param_specials(info));
	case POP3_POLICY_TYPE_MAILBOX:
		return t_strdup_printf("the name of a mailbox other than "
			"INBOX, at most %u bytes of UTF-8 without control "
			"characters", POP3_POLICY_MAILBOX_MAX_LEN);
	case POP3_POLICY_TYPE_TIME:
	case POP3_POLICY_TYPE_TIMESTAMP:
	case POP3_POLICY_TYPE_SIZE:
	case POP3_POLICY_TYPE_NUMBER:
	case POP3_POLICY_TYPE_PERCENT:
		break;
	}
	return t_strdup_printf("%s to %s%s",
			       pop3_policy_num_human(info, info->min),
			       pop3_policy_num_human(info, info->max),
			       pop3_policy_param_specials(info));
}

const char *pop3_policy_param_error(const struct pop3_policy_param_info *info,
				    const char *text, const char *problem,
				    const char *use)
{
	return t_strdup_printf("%s: \"%s\" %s: use %s", info->name,
			       str_sanitize(text, MAX_QUOTED), problem, use);
}

int pop3_policy_mailbox_check(const char *name, const char **problem_r)
{
	unichar_t chr;
	int bytes;

	if (*name == '\0') {
		*problem_r = "is empty";
		return -1;
	}
	if (strlen(name) > POP3_POLICY_MAILBOX_MAX_LEN) {
		*problem_r = "is too long";
		return -1;
	}
	if (strcasecmp(name, "INBOX") == 0) {
		*problem_r = "is where POP3 mail comes from";
		return -1;
	}
	for (; *name != '\0'; name += bytes) {
		bytes = uni_utf8_get_char(name, &chr);
		if (bytes <= 0) {
			*problem_r = "is not valid UTF-8";
			return -1;
		}
		if (chr < 0x20 || (chr >= 0x7f && chr < 0xa0)) {
			*problem_r = "has control characters";
			return -1;
		}
	}
	return 0;
}

const char *
pop3_policy_value_canonical(enum pop3_policy_param param,
			    const struct pop3_policy_value *value)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);

	switch (info->type) {
	case POP3_POLICY_TYPE_ENUM:
		return info->words[value->num];
	case POP3_POLICY_TYPE_PERCENTS:
	case POP3_POLICY_TYPE_MAILBOX:
		return t_strdup(value->str);
	case POP3_POLICY_TYPE_TIME:
	case POP3_POLICY_TYPE_TIMESTAMP:
	case POP3_POLICY_TYPE_SIZE:
	case POP3_POLICY_TYPE_NUMBER:
	case POP3_POLICY_TYPE_PERCENT:
		break;
	}
	return t_strdup_printf("%"PRId64, value->num);
}

const char *
pop3_policy_value_human(enum pop3_policy_param param,
			const struct pop3_policy_value *value)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);

	if (info->type == POP3_POLICY_TYPE_MAILBOX)
		return t_strdup(value->str);
	if (info->type == POP3_POLICY_TYPE_PERCENTS) {
		string_t *str = t_str_new(32);

		if (*value->str == '\0')
			return info->none_word;
		for (const char *p = value->str; *p != '\0'; p++) {
			if (*p == ',')
				str_append(str, "%, ");
			else
				str_append_c(str, *p);
		}
		str_append_c(str, '%');
		return str_c(str);
	}
	if (info->none_word != NULL && value->num == POP3_POLICY_NEVER)
		return info->none_word;
	if (info->as_configured && value->num == POP3_POLICY_AS_CONFIGURED)
		return POP3_POLICY_WORD_AS_CONFIGURED;
	return pop3_policy_num_human(info, value->num);
}

static const char *
canonical_use(const struct pop3_policy_param_info *info)
{
	const char *unit = "";

	if (info->type == POP3_POLICY_TYPE_TIME)
		unit = " seconds";
	else if (info->type == POP3_POLICY_TYPE_TIMESTAMP)
		unit = " seconds since 1970";
	else if (info->type == POP3_POLICY_TYPE_SIZE)
		unit = " bytes";
	return t_strdup_printf("%"PRId64" to %"PRId64"%s%s%s%s",
		info->min, info->max, unit,
		info->none_word == NULL ? "" : ", -1 for ",
		info->none_word == NULL ? "" : info->none_word,
		!info->as_configured ? "" :
		", -2 for "POP3_POLICY_WORD_AS_CONFIGURED);
}

/* Decimal, but neither "+1", "01" nor "-0". */
static bool is_plain_num(const char *text, int64_t *num_r)
{
	const char *digits = *text == '-' ? text + 1 : text;

	if (*digits < '0' || *digits > '9')
		return FALSE;
	if (*digits == '0' && strcmp(text, "0") != 0)
		return FALSE;
	return str_to_int64(text, num_r) == 0;
}

/* Returns NULL if ok, else what is wrong. */
static const char *
canonical_num_parse(const struct pop3_policy_param_info *info,
		    const char *text, int64_t *num_r)
{
	if (!is_plain_num(text, num_r))
		return "is not a plain number";
	if (*num_r == POP3_POLICY_NEVER && info->none_word != NULL)
		return NULL;
	if (*num_r == POP3_POLICY_AS_CONFIGURED && info->as_configured)
		return NULL;
	return *num_r < info->min || *num_r > info->max ?
		"is out of range" : NULL;
}

static const char *
canonical_percents_check(const struct pop3_policy_param_info *info,
			 const char *text)
{
	const char *list;

	if (*text != '\0' &&
	    (pop3_policy_percents_parse(info, text, &list) < 0 ||
	     strcmp(list, text) != 0))
		return "is not a plain list of percents";
	return NULL;
}

int pop3_policy_value_parse_canonical(pool_t pool,
				      enum pop3_policy_param param,
				      const char *text,
				      struct pop3_policy_value *value_r,
				      const char **error_r)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	const char *problem = NULL;
	bool is_num = FALSE;

	i_zero(value_r);
	switch (info->type) {
	case POP3_POLICY_TYPE_ENUM:
		value_r->num = pop3_policy_param_word(info, text);
		if (value_r->num < 0)
			problem = "is not allowed";
		break;
	case POP3_POLICY_TYPE_PERCENTS:
		problem = canonical_percents_check(info, text);
		if (problem == NULL)
			value_r->str = p_strdup(pool, text);
		break;
	case POP3_POLICY_TYPE_MAILBOX:
		if (pop3_policy_mailbox_check(text, &problem) == 0)
			value_r->str = p_strdup(pool, text);
		break;
	case POP3_POLICY_TYPE_TIME:
	case POP3_POLICY_TYPE_TIMESTAMP:
	case POP3_POLICY_TYPE_SIZE:
	case POP3_POLICY_TYPE_NUMBER:
	case POP3_POLICY_TYPE_PERCENT:
		is_num = TRUE;
		problem = canonical_num_parse(info, text, &value_r->num);
		break;
	}
	if (problem == NULL)
		return 0;
	*error_r = pop3_policy_param_error(info, text, problem,
		is_num ? canonical_use(info) :
		pop3_policy_param_allowed(param));
	return -1;
}
