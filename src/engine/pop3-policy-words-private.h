#ifndef POP3_POLICY_WORDS_PRIVATE_H
#define POP3_POLICY_WORDS_PRIVATE_H

/* Shared by the files that implement pop3-policy-words.h. */

#include "pop3-policy-words.h"
#include "pop3-policy-text.h"

#define POP3_POLICY_WORDS_MAX_VARS 4

/* What was said of a parameter. */
struct pop3_policy_words_rule_text {
	/* as in "top_lines/0" */
	const char *key;
	const char *text;
};

struct pop3_policy_words {
	/* texts of the keys that are no parameters, in the order of
	   pop3_policy_words_keys */
	const char **texts;
	ARRAY(struct pop3_policy_words_rule_text) rules;
};

enum pop3_policy_words_key {
	POP3_POLICY_WORDS_DATE = 0,
	POP3_POLICY_WORDS_CLOCK,
	POP3_POLICY_WORDS_DECIMAL,
	/* followed by the other months */
	POP3_POLICY_WORDS_MONTH,
	POP3_POLICY_WORDS_TIME = POP3_POLICY_WORDS_MONTH + 12,
	POP3_POLICY_WORDS_SIZE = POP3_POLICY_WORDS_TIME + 4,
	POP3_POLICY_WORDS_MESSAGES = POP3_POLICY_WORDS_SIZE + 5,

	POP3_POLICY_WORDS_KEY_COUNT
};

/* A key, and its text's variables with values to try it with. */
struct pop3_policy_words_key_info {
	const char *key;
	struct pop3_policy_text_var vars[POP3_POLICY_WORDS_MAX_VARS];
};
extern const struct pop3_policy_words_key_info pop3_policy_words_keys[];

/* Units, the largest first: seconds of POP3_POLICY_WORDS_TIME+i, bytes of
   POP3_POLICY_WORDS_SIZE+i. */
extern const uint64_t pop3_policy_words_time_units[4];
extern const uint64_t pop3_policy_words_size_units[5];

/* The variable of a sentence about the parameter: %{value}. */
void pop3_policy_words_rule_vars(enum pop3_policy_param param,
				 const char *value,
				 struct pop3_policy_text_var vars_r[2]);
/* The text of "PARAMETER/special", or else that of PARAMETER; special may be
   NULL. NULL if there is none. */
const char *
pop3_policy_words_rule_text(const struct pop3_policy_words *words,
			    enum pop3_policy_param param, const char *special);

#endif
