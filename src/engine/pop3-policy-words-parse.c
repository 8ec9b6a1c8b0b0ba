/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The text that words come from. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "str-sanitize.h"
#include "pop3-policy-words-private.h"

#define MAX_QUOTED 40

#define VAR_END { NULL, 0, NULL }
#define VAR_N(type) { { "n", type, "1" }, VAR_END }
#define KEY_N(key, type) { key, VAR_N(type) }
#define KEY_PLAIN(key) { key, { VAR_END } }

const struct pop3_policy_words_key_info pop3_policy_words_keys[] = {
	[POP3_POLICY_WORDS_DATE] = { "date", {
		{ "day", POP3_POLICY_TEXT_NUMBER, "1" },
		{ "month", POP3_POLICY_TEXT_WORD, "" },
		{ "year", POP3_POLICY_TEXT_NUMBER, "1970" },
		VAR_END } },
	[POP3_POLICY_WORDS_CLOCK] = { "clock", {
		{ "hour", POP3_POLICY_TEXT_WORD, "00" },
		{ "minute", POP3_POLICY_TEXT_WORD, "00" },
		VAR_END } },
	[POP3_POLICY_WORDS_DECIMAL] = KEY_PLAIN("decimal"),
	[POP3_POLICY_WORDS_MONTH] =
	KEY_PLAIN("month/1"), KEY_PLAIN("month/2"), KEY_PLAIN("month/3"),
	KEY_PLAIN("month/4"), KEY_PLAIN("month/5"), KEY_PLAIN("month/6"),
	KEY_PLAIN("month/7"), KEY_PLAIN("month/8"), KEY_PLAIN("month/9"),
	KEY_PLAIN("month/10"), KEY_PLAIN("month/11"), KEY_PLAIN("month/12"),
	[POP3_POLICY_WORDS_TIME] =
	KEY_N("time/days", POP3_POLICY_TEXT_NUMBER),
	KEY_N("time/hours", POP3_POLICY_TEXT_NUMBER),
	KEY_N("time/minutes", POP3_POLICY_TEXT_NUMBER),
	KEY_N("time/seconds", POP3_POLICY_TEXT_NUMBER),
	/* these may be 1.5 */
	[POP3_POLICY_WORDS_SIZE] =
	KEY_N("size/TB", POP3_POLICY_TEXT_WORD),
	KEY_N("size/GB", POP3_POLICY_TEXT_WORD),
	KEY_N("size/MB", POP3_POLICY_TEXT_WORD),
	KEY_N("size/kB", POP3_POLICY_TEXT_WORD),
	KEY_N("size/bytes", POP3_POLICY_TEXT_NUMBER),
	[POP3_POLICY_WORDS_MESSAGES] =
	KEY_N("messages", POP3_POLICY_TEXT_NUMBER),
};
_Static_assert(N_ELEMENTS(pop3_policy_words_keys) ==
	       POP3_POLICY_WORDS_KEY_COUNT, "every key is described");

void pop3_policy_words_rule_vars(enum pop3_policy_param param,
				 const char *value,
				 struct pop3_policy_text_var vars_r[2])
{
	i_zero(&vars_r[0]);
	i_zero(&vars_r[1]);
	vars_r[0].name = "value";
	vars_r[0].type = pop3_policy_param_info(param)->type ==
		POP3_POLICY_TYPE_NUMBER ?
		POP3_POLICY_TEXT_NUMBER : POP3_POLICY_TEXT_WORD;
	vars_r[0].value = value;
}

static const char *
rule_find(const struct pop3_policy_words *words, const char *key)
{
	const struct pop3_policy_words_rule_text *rule;

	array_foreach(&words->rules, rule) {
		if (strcmp(rule->key, key) == 0)
			return rule->text;
	}
	return NULL;
}

const char *
pop3_policy_words_rule_text(const struct pop3_policy_words *words,
			    enum pop3_policy_param param, const char *special)
{
	const char *name = pop3_policy_param_info(param)->name, *text = NULL;

	if (special != NULL) {
		text = rule_find(words,
				 t_strconcat(name, "/", special, NULL));
	}
	return text != NULL ? text : rule_find(words, name);
}

/* The special values of a parameter, as in keys; NULL terminated. */
static const char *const *
param_specials(const struct pop3_policy_param_info *info)
{
	ARRAY_TYPE(const_string) specials;
	const char *word;

	t_array_init(&specials, 4);
	if (info->type == POP3_POLICY_TYPE_ENUM)
		return info->words;
	if (info->none_word != NULL) {
		word = info->none_word;
		array_push_back(&specials, &word);
	}
	if (info->as_configured) {
		word = "as-configured";
		array_push_back(&specials, &word);
	}
	if (info->min == 0 && info->type != POP3_POLICY_TYPE_TIMESTAMP) {
		word = "0";
		array_push_back(&specials, &word);
	}
	array_append_zero(&specials);
	return array_front(&specials);
}

/* Check a key that is a parameter's. Returns 0 and the parameter, -1 and
   *error_r if it is none. */
static int
rule_key_parse(const char *key, enum pop3_policy_param *param_r,
	       const char **error_r)
{
	const char *slash = strchr(key, '/'), *nearest;
	const char *name = slash == NULL ? key : t_strdup_until(key, slash);
	const char *const *specials;

	if (!pop3_policy_param_find(name, param_r, &nearest) ||
	    !pop3_policy_param_concerns_owner(*param_r)) {
		*error_r = t_strdup_printf("\"%s\" is not known: use date, "
			"clock, decimal, month/1 to month/12, time/days, "
			"time/hours, time/minutes, time/seconds, size/TB, "
			"size/GB, size/MB, size/kB, size/bytes, messages, or "
			"a parameter that concerns the owner, such as "
			"expire_retrieved or expire_retrieved/never",
			str_sanitize(key, MAX_QUOTED));
		return -1;
	}
	if (slash == NULL)
		return 0;
	specials = param_specials(pop3_policy_param_info(*param_r));
	if (!str_array_find(specials, slash + 1)) {
		*error_r = t_strdup_printf("\"%s\" is not known: use %s, or "
			"%s/ and one of: %s", str_sanitize(key, MAX_QUOTED),
			name, name, t_strarray_join(specials, ", "));
		return -1;
	}
	return 0;
}

static int
words_line(struct pop3_policy_words *words, pool_t pool, const char *line,
	   const char **error_r)
{
	struct pop3_policy_words_rule_text *rule;
	struct pop3_policy_text_var vars[2];
	enum pop3_policy_param param;
	const char *equal = strchr(line, '='), *key, *text;
	unsigned int i;

	if (*line == '\0' || *line == '#')
		return 0;
	if (equal == NULL) {
		*error_r = t_strdup_printf("\"%s\" is not a line \"key = "
			"text\", nor a comment that begins with #",
			str_sanitize(line, MAX_QUOTED));
		return -1;
	}
	key = t_str_trim(t_strdup_until(line, equal), " \t");
	text = t_str_trim(equal + 1, " \t");
	for (i = 0; i < POP3_POLICY_WORDS_KEY_COUNT; i++) {
		if (strcmp(pop3_policy_words_keys[i].key, key) == 0)
			break;
	}
	if (i == POP3_POLICY_WORDS_KEY_COUNT &&
	    rule_key_parse(key, &param, error_r) < 0)
		return -1;
	if ((i < POP3_POLICY_WORDS_KEY_COUNT && words->texts[i] != NULL) ||
	    rule_find(words, key) != NULL) {
		*error_r = t_strdup_printf("a second %s: use one", key);
		return -1;
	}
	if (*text == '\0') {
		*error_r = t_strdup_printf("%s is empty: use \"%s = text\"",
					   key, key);
		return -1;
	}
	if (i < POP3_POLICY_WORDS_KEY_COUNT) {
		words->texts[i] = p_strdup(pool, text);
		return pop3_policy_text_expand(t_str_new(128), text,
			pop3_policy_words_keys[i].vars, TRUE, error_r);
	}
	rule = array_append_space(&words->rules);
	rule->key = p_strdup(pool, key);
	rule->text = p_strdup(pool, text);
	pop3_policy_words_rule_vars(param, "1", vars);
	return pop3_policy_text_expand(t_str_new(128), text, vars, TRUE,
				       error_r);
}

/* Returns the first key that is missing, NULL if none is. */
static const char *words_missing(const struct pop3_policy_words *words)
{
	const struct pop3_policy_param_info *info;
	const char *const *special;
	unsigned int i;

	for (i = 0; i < POP3_POLICY_WORDS_KEY_COUNT; i++) {
		if (words->texts[i] == NULL)
			return pop3_policy_words_keys[i].key;
	}
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (!pop3_policy_param_concerns_owner(i))
			continue;
		info = pop3_policy_param_info(i);
		if (info->type != POP3_POLICY_TYPE_ENUM &&
		    pop3_policy_words_rule_text(words, i, NULL) == NULL)
			return info->name;
		special = param_specials(info);
		for (; *special != NULL; special++) {
			if (pop3_policy_words_rule_text(words, i,
							*special) == NULL) {
				return t_strconcat(info->name, "/", *special,
						   NULL);
			}
		}
	}
	return NULL;
}

int pop3_policy_words_parse(pool_t pool, const char *text,
			    struct pop3_policy_words **words_r,
			    const char **error_r)
{
	struct pop3_policy_words *words;
	unsigned int line_no = 0;
	const char *line, *missing;
	int ret;

	words = p_new(pool, struct pop3_policy_words, 1);
	words->texts = p_new(pool, const char *, POP3_POLICY_WORDS_KEY_COUNT);
	p_array_init(&words->rules, pool, 64);
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while ((ret = pop3_policy_text_next_line(&text, &line, error_r)) > 0) {
		line_no++;
		if (words_line(words, pool, line, error_r) < 0)
			break;
	}
	if (ret != 0) {
		*error_r = t_strdup_printf("line %u: %s",
			ret < 0 ? line_no + 1 : line_no, *error_r);
		return -1;
	}
	missing = words_missing(words);
	if (missing != NULL) {
		*error_r = t_strdup_printf("line %u: the file ends, and %s is "
			"missing: use \"%s = text\"", line_no, missing,
			missing);
		return -1;
	}
	*words_r = words;
	return 0;
}
