#ifndef POP3_POLICY_SETTINGS_MODULE_H
#define POP3_POLICY_SETTINGS_MODULE_H

/* What Dovecot's config process looks up by name. */

extern const char *pop3_policy_settings_version;
extern const struct setting_parser_info *const
pop3_policy_settings_set_infos[];
extern const struct service_settings pop3_policy_settings_service_settings;
extern const struct setting_keyvalue
pop3_policy_settings_service_settings_defaults[];

#endif
