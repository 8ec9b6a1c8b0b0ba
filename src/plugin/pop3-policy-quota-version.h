#ifndef POP3_POLICY_QUOTA_VERSION_H
#define POP3_POLICY_QUOTA_VERSION_H

/* What pop3-policy-quota.c needs of Dovecot's quota plugin, and each version
   of Dovecot does in its own way. */

struct mail_namespace;
struct mail_user;
struct mailbox;
struct mailbox_list;
struct pop3_policy_quota_usage;

/* TRUE if Dovecot's quota plugin is loaded in this process. */
bool pop3_policy_quota_is_loaded(void);

/* FALSE if Dovecot's quota plugin does not count this user's mail. */
bool pop3_policy_quota_user_has(struct mail_user *user);

/* Set the limits of the user's quota: bytes and messages are those numbers,
   or POP3_POLICY_UNLIMITED or POP3_POLICY_AS_CONFIGURED. A limit of bytes is
   exact: Dovecot's quota_grace does not stretch it. Returns FALSE if the
   user has no quota there. */
bool pop3_policy_quota_set_limits(struct mail_user *user,
				  struct mail_namespace *inbox,
				  int64_t bytes, int64_t messages);

/* TRUE if limits can only be set once all namespaces, and so all roots, are
   known; FALSE if that is to be done before the quota plugin looks at them,
   when the namespace of INBOX is. */
bool pop3_policy_quota_waits_for_namespaces(void);

/* The list of another user's mailboxes was created, one of them was allocated:
   its owner's quota is as Dovecot has it configured. */
void pop3_policy_quota_shared_created(struct mailbox_list *list);
void pop3_policy_quota_shared_allocated(struct mailbox *box);

/* Returns 0, -1 if the user has no quota or it cannot be counted. */
int pop3_policy_quota_count(struct mail_user *user,
			    struct mail_namespace *inbox,
			    struct pop3_policy_quota_usage *usage_r);

/* FALSE if RCPT's check of the quota could not give that answer: it has to
   let the recipient pass, and DATA answers. */
bool pop3_policy_quota_rcpt_can_answer(struct mail_user *user, bool tempfail);

/* Called when the plugin is unloaded. */
void pop3_policy_quota_version_deinit(void);

#endif
