#ifndef POP3_POLICY_EFFECTIVE_H
#define POP3_POLICY_EFFECTIVE_H

#include "pop3-policy-param.h"

/* Where a value comes from, most specific first. */
enum pop3_policy_level {
	POP3_POLICY_LEVEL_USER = 0,
	POP3_POLICY_LEVEL_USER_PRESET,
	POP3_POLICY_LEVEL_DOMAIN,
	POP3_POLICY_LEVEL_DOMAIN_PRESET,
	POP3_POLICY_LEVEL_SITE,
	POP3_POLICY_LEVEL_SITE_PRESET,
	POP3_POLICY_LEVEL_BUILTIN
};
#define POP3_POLICY_LEVEL_ROWS POP3_POLICY_LEVEL_BUILTIN

/* One row of pop3.policy or pop3.preset. set[] tells which are not NULL. */
struct pop3_policy_row {
	bool set[POP3_POLICY_PARAM_COUNT];
	struct pop3_policy_value values[POP3_POLICY_PARAM_COUNT];
};

/* The effective policy of one user: a value for every parameter. */
struct pop3_policy {
	struct pop3_policy_value values[POP3_POLICY_PARAM_COUNT];
	enum pop3_policy_level from[POP3_POLICY_PARAM_COUNT];
	/* an administrator, or the breaker, stopped all removals by policy:
	   none of the rows says so, so merging leaves it FALSE */
	bool paused;
};

/* Fill with the built-in values. */
void pop3_policy_init_builtin(struct pop3_policy *policy_r);
/* Merge rows[level] (NULL where there is no row): per parameter, the most
   specific value that is set. Except pop3_hold: "yes" on any level wins.
   Strings point into the rows. */
void pop3_policy_merge(const struct pop3_policy_row *
			const rows[POP3_POLICY_LEVEL_ROWS],
		       struct pop3_policy *policy_r);

/* policy->values[param].num */
static inline int64_t
pop3_policy_num(const struct pop3_policy *policy, enum pop3_policy_param param)
{
	return policy->values[param].num;
}

#endif
