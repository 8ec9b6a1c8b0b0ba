#ifndef DOVEADM_POP3_POLICY_CLAIM_H
#define DOVEADM_POP3_POLICY_CLAIM_H

/* Commands that remove mail share users among each other: each user is claimed
   while one is at work there. */

/* An id of this command, from the pool. */
const char *doveadm_pop3_policy_sweeper(pool_t pool);
/* Returns 1 if the user is ours, for a while, 0 if another command has the
   user, -1 after an error, which is logged. */
int doveadm_pop3_policy_claim(const char *user, const char *sweeper);
/* done: all that was due has gone. Returns 0 if ok, -1 after an error, which is
   logged. */
int doveadm_pop3_policy_release(const char *user, const char *sweeper,
				bool done);

#endif
