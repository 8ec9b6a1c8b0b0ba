#ifndef POP3_POLICY_LIMITS_H
#define POP3_POLICY_LIMITS_H

/* The last known policies of users, for deliveries while the database cannot be
   asked. Nothing is answered from here while it can be. */

struct pop3_policy_limits;

struct pop3_policy_known_limits {
	/* database time as it should be now */
	const char *now;
	/* as pop3_policy_user_policy_write() wrote it */
	const char *policy;
	/* percent of quota_warn that was told; 0: none */
	unsigned int told;
};

struct pop3_policy_limits *pop3_policy_limits_init(void);
void pop3_policy_limits_deinit(struct pop3_policy_limits **limits);

/* Remember a user's policy, and from `now' how the clocks compare. Past a
   hundred thousand users those are forgotten that were asked about least
   recently. */
void pop3_policy_limits_remember(struct pop3_policy_limits *limits,
				 const char *user, const char *policy,
				 const char *now);
/* The level of quota_warn that the owner was told of. Ignored for a user that
   is not known. */
void pop3_policy_limits_told(struct pop3_policy_limits *limits,
			     const char *user, unsigned int level);
/* The same, unless it is lower already. */
void pop3_policy_limits_lower_told(struct pop3_policy_limits *limits,
				   const char *user, unsigned int level);
/* Returns FALSE if the user is not known. Valid until the next call; now is
   allocated from the data stack. */
bool pop3_policy_limits_find(struct pop3_policy_limits *limits,
			     const char *user,
			     struct pop3_policy_known_limits *known_r);

#endif
