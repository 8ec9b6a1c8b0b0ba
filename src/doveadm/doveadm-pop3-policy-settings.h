#ifndef DOVEADM_POP3_POLICY_SETTINGS_H
#define DOVEADM_POP3_POLICY_SETTINGS_H

struct event;

/* The path of the administrators' socket, from the setting
   pop3_policy_admin_socket. Allocated from the data stack. Returns 0 if ok, -1
   and *error_r if the settings cannot be read. */
int doveadm_pop3_policy_socket(struct event *event, const char **path_r,
			       const char **error_r);

#endif
