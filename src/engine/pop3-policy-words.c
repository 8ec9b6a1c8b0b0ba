/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Values in words. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-words-private.h"

#include <time.h>

const uint64_t pop3_policy_words_time_units[] = { 86400, 3600, 60, 1 };
const uint64_t pop3_policy_words_size_units[] =
	{ 1ULL << 40, 1ULL << 30, 1ULL << 20, 1ULL << 10, 1 };

static const enum pop3_policy_param owner_params[] = {
	POP3_POLICY_PARAM_VIEW_SINCE,
	POP3_POLICY_PARAM_VIEW_WINDOW,
	POP3_POLICY_PARAM_VIEW_LIMIT,
	POP3_POLICY_PARAM_ON_RETRIEVE,
	POP3_POLICY_PARAM_ON_DELE,
	POP3_POLICY_PARAM_EXPIRE_RETRIEVED,
	POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED,
	POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES,
	POP3_POLICY_PARAM_LEAVE_MAX_BYTES,
	POP3_POLICY_PARAM_QUOTA_STORAGE,
	POP3_POLICY_PARAM_QUOTA_MESSAGES,
	POP3_POLICY_PARAM_LOGIN_DELAY,
	POP3_POLICY_PARAM_DOWNLOAD_DAILY,
	POP3_POLICY_PARAM_TOP_LINES,
};

bool pop3_policy_param_concerns_owner(enum pop3_policy_param param)
{
	for (unsigned int i = 0; i < N_ELEMENTS(owner_params); i++) {
		if (owner_params[i] == param)
			return TRUE;
	}
	return FALSE;
}

/* The text was tried when it was parsed. */
static const char *
expand(const char *text, const struct pop3_policy_text_var *vars)
{
	string_t *str = t_str_new(128);
	const char *error;

	if (pop3_policy_text_expand(str, text, vars, TRUE, &error) < 0)
		i_panic("%s: %s", text, error);
	return str_c(str);
}

/* A text with one variable, %{n}. */
static const char *
expand_n(const struct pop3_policy_words *words,
	 enum pop3_policy_words_key key, const char *n)
{
	const struct pop3_policy_text_var vars[] = {
		{ "n", pop3_policy_words_keys[key].vars[0].type, n },
		{ NULL, 0, NULL }
	};

	return expand(words->texts[key], vars);
}

const char *pop3_policy_words_date(const struct pop3_policy_words *words,
				   time_t when)
{
	const struct tm *tm = localtime(&when);
	const struct pop3_policy_text_var vars[] = {
		{ "day", POP3_POLICY_TEXT_NUMBER, dec2str(tm->tm_mday) },
		{ "month", POP3_POLICY_TEXT_WORD,
		  words->texts[POP3_POLICY_WORDS_MONTH + tm->tm_mon] },
		{ "year", POP3_POLICY_TEXT_NUMBER,
		  dec2str(tm->tm_year + 1900) },
		{ NULL, 0, NULL }
	};

	return expand(words->texts[POP3_POLICY_WORDS_DATE], vars);
}

const char *pop3_policy_words_clock(const struct pop3_policy_words *words,
				    time_t when)
{
	const struct tm *tm = localtime(&when);
	const struct pop3_policy_text_var vars[] = {
		{ "hour", POP3_POLICY_TEXT_WORD,
		  t_strdup_printf("%02d", tm->tm_hour) },
		{ "minute", POP3_POLICY_TEXT_WORD,
		  t_strdup_printf("%02d", tm->tm_min) },
		{ NULL, 0, NULL }
	};

	return expand(words->texts[POP3_POLICY_WORDS_CLOCK], vars);
}

const char *pop3_policy_words_time(const struct pop3_policy_words *words,
				   uint64_t seconds)
{
	unsigned int i = N_ELEMENTS(pop3_policy_words_time_units) - 1;

	if (seconds != 0) {
		for (i = 0; seconds % pop3_policy_words_time_units[i] != 0; )
			i++;
	}
	return expand_n(words, POP3_POLICY_WORDS_TIME + i,
			dec2str(seconds / pop3_policy_words_time_units[i]));
}

const char *pop3_policy_words_size(const struct pop3_policy_words *words,
				   uint64_t bytes)
{
	const uint64_t *units = pop3_policy_words_size_units;
	unsigned int i = 0, tenths;
	const char *n;

	while (bytes < units[i] && units[i] > 1)
		i++;
	n = dec2str(bytes / units[i]);
	/* 9.9 GB, but 10 GB */
	tenths = bytes % units[i] * 10 / units[i];
	if (bytes / units[i] < 10 && tenths > 0) {
		n = t_strdup_printf("%s%s%u", n,
			words->texts[POP3_POLICY_WORDS_DECIMAL], tenths);
	}
	return expand_n(words, POP3_POLICY_WORDS_SIZE + i, n);
}

const char *pop3_policy_words_messages(const struct pop3_policy_words *words,
				       uint64_t count)
{
	return expand_n(words, POP3_POLICY_WORDS_MESSAGES, dec2str(count));
}

static const char *
value_in_words(const struct pop3_policy_words *words,
	       enum pop3_policy_type type, int64_t num)
{
	switch (type) {
	case POP3_POLICY_TYPE_TIME:
		return pop3_policy_words_time(words, num);
	case POP3_POLICY_TYPE_TIMESTAMP:
		return t_strdup_printf("%s %s",
				       pop3_policy_words_date(words, num),
				       pop3_policy_words_clock(words, num));
	case POP3_POLICY_TYPE_SIZE:
		return pop3_policy_words_size(words, num);
	default:
		return dec2str(num);
	}
}

/* The part of a key behind the slash, where a value has words of its own. */
static const char *
special_value(const struct pop3_policy_param_info *info,
	      const struct pop3_policy_value *value)
{
	if (info->type == POP3_POLICY_TYPE_ENUM)
		return info->words[value->num];
	if (value->num == POP3_POLICY_NEVER)
		return info->none_word;
	if (value->num == POP3_POLICY_AS_CONFIGURED)
		return "as-configured";
	return value->num == 0 ? "0" : NULL;
}

const char *pop3_policy_words_rule(const struct pop3_policy_words *words,
				   enum pop3_policy_param param,
				   const struct pop3_policy_value *value)
{
	const struct pop3_policy_param_info *info =
		pop3_policy_param_info(param);
	const char *special = special_value(info, value), *text;
	struct pop3_policy_text_var vars[2];

	i_assert(pop3_policy_param_concerns_owner(param));
	text = pop3_policy_words_rule_text(words, param, special);
	pop3_policy_words_rule_vars(param, special != NULL && value->num != 0 ?
		special : value_in_words(words, info->type, value->num), vars);
	return expand(text, vars);
}
