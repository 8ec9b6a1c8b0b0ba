#ifndef POP3_POLICY_QUOTA_RCPT_H
#define POP3_POLICY_QUOTA_RCPT_H

struct module;

/* The hook of RCPT's check of the quota. */
void pop3_policy_quota_rcpt_init(struct module *module);
void pop3_policy_quota_rcpt_deinit(void);

#endif
