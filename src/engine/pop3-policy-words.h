#ifndef POP3_POLICY_WORDS_H
#define POP3_POLICY_WORDS_H

#include "pop3-policy-param.h"

/* The words of notices: how dates, times and sizes are written, and what the
   parameters of a policy mean to the owner of a mailbox. They come from a text
   that an administrator writes, of lines "key = text" (doc/notices.md). Pure:
   depends on nothing but Dovecot's lib. */

struct pop3_policy_words;

/* Parse the text. What is returned is allocated from the pool. Returns 0 if
   ok, -1 and *error_r (data stack; names the line and what is allowed) if it
   is wrong, or not complete. */
int pop3_policy_words_parse(pool_t pool, const char *text,
			    struct pop3_policy_words **words_r,
			    const char **error_r);

/* "31 December 2026", in the process's time zone. Data stack, as all of
   these. */
const char *pop3_policy_words_date(const struct pop3_policy_words *words,
				   time_t when);
/* "23:59" */
const char *pop3_policy_words_clock(const struct pop3_policy_words *words,
				    time_t when);
/* "14 days", "36 hours": the largest unit that says it exactly */
const char *pop3_policy_words_time(const struct pop3_policy_words *words,
				   uint64_t seconds);
/* "500 MB", "1.5 GB": rounded down to what a person wants to know */
const char *pop3_policy_words_size(const struct pop3_policy_words *words,
				   uint64_t bytes);
/* "3 messages" */
const char *pop3_policy_words_messages(const struct pop3_policy_words *words,
				       uint64_t count);

/* TRUE if a change of the parameter is one that the mailbox's owner is told
   of. */
bool pop3_policy_param_concerns_owner(enum pop3_policy_param param);
/* The sentence about a parameter that concerns the owner, and this value. */
const char *pop3_policy_words_rule(const struct pop3_policy_words *words,
				   enum pop3_policy_param param,
				   const struct pop3_policy_value *value);

#endif
