#ifndef POP3_POLICY_LOGIN_SETTINGS_H
#define POP3_POLICY_LOGIN_SETTINGS_H

/* The settings of the login plugin; doc/settings.md. */
struct pop3_policy_login_settings {
	/* CAPA's arguments without USER, NULL to announce nothing; data
	   stack */
	const char *expire;
	const char *login_delay;
};

/* Read the settings. A wrong one is logged, and announces nothing. */
void pop3_policy_login_settings_get(struct pop3_policy_login_settings *set_r);

#endif
