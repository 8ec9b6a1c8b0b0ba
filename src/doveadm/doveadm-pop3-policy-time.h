#ifndef DOVEADM_POP3_POLICY_TIME_H
#define DOVEADM_POP3_POLICY_TIME_H

struct doveadm_cmd_context;

/* The time that the parameter says, for PostgreSQL: a length of time ("14d", "2
   hours") is so long ago, anything else is left for it to understand. NULL if the
   parameter was not given. Allocated from the data stack. */
const char *doveadm_pop3_policy_time(struct doveadm_cmd_context *cctx,
				     const char *param);

#endif
