#ifndef POP3_POLICY_LIMITS_H
#define POP3_POLICY_LIMITS_H

/* What is known of users without asking, for while the database cannot be:
   policies from their cache, and what owners were told. Nothing is answered from
   here while it can be asked. */

struct pop3_policy_cache;
struct pop3_policy_limits;

struct pop3_policy_known_limits {
	/* database time as it should be now */
	const char *now;
	/* as pop3_policy_user_policy_write() wrote it */
	const char *policy;
	/* percent of quota_warn that was told; 0: none */
	unsigned int told;
};

struct pop3_policy_limits *
pop3_policy_limits_init(struct pop3_policy_cache *policies);
void pop3_policy_limits_deinit(struct pop3_policy_limits **limits);

/* The level of quota_warn that the owner was told of. Past a hundred thousand
   users those are forgotten that were asked about least recently. */
void pop3_policy_limits_told(struct pop3_policy_limits *limits,
			     const char *user, unsigned int level);
/* The same, unless it is lower already. */
void pop3_policy_limits_lower_told(struct pop3_policy_limits *limits,
				   const char *user, unsigned int level);
/* Returns FALSE if the user's policy is not known. Strings are allocated from
   the data stack. */
bool pop3_policy_limits_find(struct pop3_policy_limits *limits,
			     const char *user,
			     struct pop3_policy_known_limits *known_r);

#endif
