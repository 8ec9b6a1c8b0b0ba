#ifndef POP3_POLICY_SETTING_INFO_H
#define POP3_POLICY_SETTING_INFO_H

/* Dovecot 2.4: the plugin's settings as its configuration knows them. The same
   description is compiled into the settings module, for doveconf, and into the
   plugin, which reads them by settings_get(). */

struct pop3_policy_setting_values {
	pool_t pool;
	/* the service's socket; a name without a slash is in base_dir */
	const char *pop3_policy_socket;
	/* the same, of doveadm */
	const char *pop3_policy_admin_socket;
	/* how long to wait for an answer of the service, as it was written */
	const char *pop3_policy_timeout;
	/* the directory of the notices' templates */
	const char *pop3_policy_notice_dir;
	/* an address, as pop3_policy_address_parse() takes it */
	const char *pop3_policy_notice_from;

	/* from it, milliseconds */
	unsigned int timeout_msecs;
};

extern const struct setting_parser_info pop3_policy_setting_parser_info;

#endif
