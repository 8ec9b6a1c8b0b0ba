#ifndef DOVEADM_POP3_POLICY_PLUGIN_H
#define DOVEADM_POP3_POLICY_PLUGIN_H

struct module;

/* for log lines and settings */
extern struct event *doveadm_pop3_policy_event;

extern const char *doveadm_pop3_policy_plugin_version;
void doveadm_pop3_policy_plugin_init(struct module *module);
void doveadm_pop3_policy_plugin_deinit(void);

extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_show;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_presets;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_set;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_unset;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_status;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_expire;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_log;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_restore;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_pause;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_resume;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_confirm;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_breaker;
extern struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_schema;

#endif
