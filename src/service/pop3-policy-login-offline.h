#ifndef POP3_POLICY_LOGIN_OFFLINE_H
#define POP3_POLICY_LOGIN_OFFLINE_H

/* What LOGIN is answered while the database cannot be asked. */

struct pop3_policy_service;
struct pop3_policy_state_user;

struct pop3_policy_login_offline {
	/* database time as it should be now */
	const char *now;
	/* as pop3_policy_user_policy_write() wrote it */
	const char *policy;
	/* seconds */
	unsigned int lease;
	const struct pop3_policy_state_user *state;
};

/* Look up what this host knows of the user. Returns FALSE if it knows too little,
   or since too long ago. Valid until anything is recorded; texts are allocated
   from the data stack. */
bool
pop3_policy_login_offline_find(struct pop3_policy_service *service,
			       const char *username,
			       struct pop3_policy_login_offline *offline_r);
/* Append the OK of LOGIN, with its items. Returns FALSE if it is too much for the
   protocol. */
bool
pop3_policy_login_offline_write(string_t *dest, unsigned int id,
				const struct pop3_policy_login_offline *offline);

#endif
