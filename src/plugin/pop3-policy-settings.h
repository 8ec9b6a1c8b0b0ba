#ifndef POP3_POLICY_SETTINGS_H
#define POP3_POLICY_SETTINGS_H

struct mail_user;

/* Settings of the plugin in the mail processes; doc/settings.md. */
struct pop3_policy_settings {
	/* path of the service's socket, absolute */
	const char *socket_path;
	/* how long to wait for an answer of the service, milliseconds */
	unsigned int timeout_msecs;
	/* the directory of the notices' templates */
	const char *notice_dir;
	/* who sends notices, as pop3_policy_address_parse() takes it */
	const char *notice_from;
};

/* Read the settings of this user; strings are allocated from the user's pool.
   Returns 0 if ok, -1 and *error_r, which names the setting and what is
   allowed, if a value is wrong. */
int pop3_policy_settings_get(struct mail_user *user,
			     struct pop3_policy_settings *set_r,
			     const char **error_r);

#endif
