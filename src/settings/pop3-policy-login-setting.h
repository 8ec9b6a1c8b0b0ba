#ifndef POP3_POLICY_LOGIN_SETTING_H
#define POP3_POLICY_LOGIN_SETTING_H

/* The settings of the login plugin, for every version of Dovecot: names, and
   what is allowed. Both are texts; an empty one announces nothing. */

#define POP3_POLICY_CAPA_EXPIRE "pop3_policy_capa_expire"
#define POP3_POLICY_CAPA_LOGIN_DELAY "pop3_policy_capa_login_delay"

/* Turn the setting's text into an argument of CAPA's line (RFC 2449): a number
   of days or NEVER, a number of seconds. *arg_r is NULL if nothing is to be
   announced, else allocated from the data stack. Returns 0 if ok, -1 and
   *error_r, which names the setting and what is allowed, if not. */
int pop3_policy_capa_expire_parse(const char *text, const char **arg_r,
				  const char **error_r);
int pop3_policy_capa_login_delay_parse(const char *text, const char **arg_r,
				       const char **error_r);

#endif
