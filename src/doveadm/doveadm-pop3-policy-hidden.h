#ifndef DOVEADM_POP3_POLICY_HIDDEN_H
#define DOVEADM_POP3_POLICY_HIDDEN_H

/* Users with hidden messages, as the database knows them. */

struct doveadm_pop3_policy_hidden {
	const char *username;
	uint64_t count;
	/* the policy hides them now: they would be seen again without it */
	bool acts;
};
ARRAY_DEFINE_TYPE(doveadm_pop3_policy_hidden,
		  struct doveadm_pop3_policy_hidden);

/* Append those whose name fits the mask (with * and ?), in the order of names.
   Names are from the pool. Returns 0 if ok, -1 after an error, which is
   logged. */
int doveadm_pop3_policy_hidden(pool_t pool, const char *mask,
			       ARRAY_TYPE(doveadm_pop3_policy_hidden) *hidden);

#endif
