#ifndef POP3_POLICY_LOGIN_PLUGIN_H
#define POP3_POLICY_LOGIN_PLUGIN_H

struct module;

extern const char *pop3_policy_login_plugin_version;

void pop3_policy_login_plugin_init(struct module *module);
void pop3_policy_login_plugin_deinit(void);

#endif
