/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What administrators write notices with: templates, and words. */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "pop3-policy-template.h"
#include "pop3-policy-text.h"
#include "pop3-policy-words.h"
#include "fuzz.h"

static const struct pop3_policy_text_var vars[] = {
	{ "user", POP3_POLICY_TEXT_WORD, "jane@example.org\nBcc: all" },
	{ "address", POP3_POLICY_TEXT_WORD, "j\xc3\xa4ne\xff" },
	{ "count", POP3_POLICY_TEXT_NUMBER, "3" },
	{ "one", POP3_POLICY_TEXT_NUMBER, "1" },
	{ "rules", POP3_POLICY_TEXT_LINES, "  - a\n  - b\n" },
	{ NULL, POP3_POLICY_TEXT_WORD, NULL }
};

void fuzz_begin(void)
{
}

static void fuzz_template(const char *text)
{
	const char *subject, *body, *error = NULL;

	if (pop3_policy_template_expand(text, vars, &subject, &body,
					&error) < 0) {
		i_assert(error != NULL);
		return;
	}
	/* nothing becomes another header */
	i_assert(strpbrk(subject, "\r\n") == NULL);
	i_assert(uni_utf8_str_is_valid(subject));
	i_assert(uni_utf8_str_is_valid(body));
	i_assert(*body == '\0' || body[strlen(body) - 1] == '\n');
}

static void fuzz_words_use(const struct pop3_policy_words *words)
{
	pool_t pool = pool_datastack_create();
	struct pop3_policy_value value;
	const char *error;

	(void)pop3_policy_words_date(words, 1767182400);
	(void)pop3_policy_words_clock(words, 1767182400);
	(void)pop3_policy_words_time(words, 129600);
	(void)pop3_policy_words_size(words, 1610612736);
	(void)pop3_policy_words_messages(words, 3);
	for (unsigned int i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (!pop3_policy_param_concerns_owner(i))
			continue;
		i_assert(pop3_policy_value_parse_canonical(pool, i,
			pop3_policy_param_info(i)->builtin, &value,
			&error) == 0);
		(void)pop3_policy_words_rule(words, i, &value);
	}
}

static void fuzz_words(const char *text)
{
	struct pop3_policy_words *words;
	pool_t pool = pool_alloconly_create("words", 4096);
	const char *error = NULL;

	if (pop3_policy_words_parse(pool, text, &words, &error) < 0)
		i_assert(error != NULL);
	else
		fuzz_words_use(words);
	pool_unref(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		const char *text = fuzz_text(data, size);

		fuzz_template(text);
		fuzz_words(text);
		pop3_policy_text_wrap(t_str_new(256), "  - ", text);
	} T_END;
	return 0;
}
