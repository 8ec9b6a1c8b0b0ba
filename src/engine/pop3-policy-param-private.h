#ifndef POP3_POLICY_PARAM_PRIVATE_H
#define POP3_POLICY_PARAM_PRIVATE_H

/* Shared by the files that implement pop3-policy-param.h. */

#include "pop3-policy-param.h"

#define POP3_POLICY_WORD_NEVER "never"
#define POP3_POLICY_WORD_UNLIMITED "unlimited"
#define POP3_POLICY_WORD_NONE "none"
#define POP3_POLICY_WORD_AS_CONFIGURED "as-configured"

/* Longest name of a mailbox in bytes. */
#define POP3_POLICY_MAILBOX_MAX_LEN 255

/* Find a word in info->words. Returns its index, -1 if it is not there. */
int pop3_policy_param_word(const struct pop3_policy_param_info *info,
			   const char *word);
/* Parse ascending percents: "80,95", or as people write them. *list_r is in
   canonical form (data stack). Returns 0 if ok, -1 if not. */
int pop3_policy_percents_parse(const struct pop3_policy_param_info *info,
			       const char *text, const char **list_r);
/* Check the name of a mailbox. Returns 0 if ok, -1 and *problem_r, such as
   "is empty", if not. */
int pop3_policy_mailbox_check(const char *name, const char **problem_r);

/* "PARAMETER: "TEXT" PROBLEM: use USE", with TEXT made printable. Data
   stack. */
const char *pop3_policy_param_error(const struct pop3_policy_param_info *info,
				    const char *text, const char *problem,
				    const char *use);
/* The special words of the parameter, to be appended to a list: ", or never",
   ", unlimited or as-configured", or "". */
const char *
pop3_policy_param_specials(const struct pop3_policy_param_info *info);
/* A number of the parameter's type as a person reads it; not one of the
   special values. Data stack. */
const char *pop3_policy_num_human(const struct pop3_policy_param_info *info,
				  int64_t num);

/* "2026-01-31", "2026-01-31 12:00[:05]" and RFC 3339's date-time, UTC where no
   zone is given, to seconds since 1970; fractions of a second are dropped.
   Returns 0 if ok, -1 if it is none of these or there is no such time. The
   result may be outside the parameter's bounds. */
int pop3_policy_timestamp_parse(const char *text, int64_t *timestamp_r);
/* The shortest of "2026-01-31", "2026-01-31 12:00 UTC" and
   "2026-01-31 12:00:05 UTC" that says it all. timestamp is 0 to the end of
   the year 9999. Data stack. */
const char *pop3_policy_timestamp_human(int64_t timestamp);

#endif
