#ifndef POP3_POLICY_LOGIN_SETTING_INFO_H
#define POP3_POLICY_LOGIN_SETTING_INFO_H

/* Dovecot 2.4: the login plugin's settings as its configuration knows them.
   The same description is compiled into the settings module, for doveconf, and
   into the login plugin. */

struct pop3_policy_login_setting_values {
	pool_t pool;
	const char *pop3_policy_capa_expire;
	const char *pop3_policy_capa_login_delay;
};

extern const struct setting_parser_info pop3_policy_login_setting_parser_info;

#endif
