#ifndef DOVEADM_POP3_POLICY_USERS_H
#define DOVEADM_POP3_POLICY_USERS_H

/* Whom a command is about, from its options -u, -A and -F. Mailboxes are not
   opened, and no process becomes their owner. */

struct doveadm_cmd_context;

#define DOVEADM_POP3_POLICY_USER_PARAMS \
DOVEADM_CMD_PARAM('u', "user", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('A', "all-users", CMD_PARAM_BOOL, 0) \
DOVEADM_CMD_PARAM('F', "user-file", CMD_PARAM_ISTREAM, 0)

#define DOVEADM_POP3_POLICY_USER_USAGE "-u <user>|-A|-F <file>"

/* TRUE if one of the options was given. */
bool doveadm_pop3_policy_has_users(struct doveadm_cmd_context *cctx);
/* The option's users; names as the userdb has them. -A and a -u with wildcards
   ask it for all, -u without them asks it for the user's name, and gives the one
   that was written if it does not know the user. *many_r is FALSE for that, and
   TRUE for the others. Names are allocated from the pool. Returns 0 if ok; if
   not -1, an error is logged, and doveadm's exit code is set. */
int doveadm_pop3_policy_users(struct doveadm_cmd_context *cctx, pool_t pool,
			      const char *const **users_r, bool *many_r);

#endif
