#ifndef POP3_POLICY_PLUGIN_H
#define POP3_POLICY_PLUGIN_H

struct mail;
struct mailbox;
struct module;

extern struct event_category event_category_pop3_policy;
extern const char *pop3_policy_plugin_version;

void pop3_policy_plugin_init(struct module *module);
void pop3_policy_plugin_deinit(void);

/* The hooks of the mail storage, each in the file of its idea. */

/* pop3-policy-mailbox.c: the POP3 session's INBOX */
void pop3_policy_mailbox_allocated(struct mailbox *box);
/* pop3-policy-mail.c: its messages */
void pop3_policy_mail_allocated(struct mail *mail);

/* pop3-policy-pop3.c: hook into the POP3 process. Does nothing in others. */
void pop3_policy_pop3_init(void);
void pop3_policy_pop3_deinit(void);

#endif
