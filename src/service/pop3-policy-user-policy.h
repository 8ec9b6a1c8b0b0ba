#ifndef POP3_POLICY_USER_POLICY_H
#define POP3_POLICY_USER_POLICY_H

#include "pop3-policy-db.h"
#include "pop3-policy-effective.h"

/* The effective policy of a user, from the rows of POP3_POLICY_STMT_POLICY_ROWS
   to the wire. */

/* Merge the rows. The version is the text that pop3.policy_version() gives.
   Both are allocated from the pool. *stopped_r is what removals by policy are
   stopped by, "paused" or "breaker", NULL if they are not; it lives as long as
   the result. Returns 0 if ok, -1 + *error_r if a value
   is not one that the engine allows. */
int pop3_policy_user_policy_merge(pool_t pool,
				  const struct pop3_policy_db_result *result,
				  struct pop3_policy *policy_r,
				  const char **version_r,
				  const char **stopped_r,
				  const char **error_r);

/* The values of one row, from the text of their array; strings are allocated
   from the pool. Returns 0 if ok, -1 + *error_r if one is not allowed. */
int pop3_policy_user_policy_parse_values(pool_t pool, const char *text,
					 struct pop3_policy_row *row,
					 const char **error_r);
/* The text that pop3.policy_version() gives; 0 is the version of a row that does
   not exist. Allocated from the data stack. */
const char *
pop3_policy_user_policy_version(const int64_t versions[POP3_POLICY_LEVEL_ROWS],
				bool stopped);

/* Append the fields version=, paused= and p.NAME= of all parameters. */
void pop3_policy_user_policy_write(string_t *dest, const char *version,
				   const struct pop3_policy *policy);

#endif
