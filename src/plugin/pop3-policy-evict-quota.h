#ifndef POP3_POLICY_EVICT_QUOTA_H
#define POP3_POLICY_EVICT_QUOTA_H

/* The place in Dovecot's quota plugin where eviction acts: behind its check
   whether a message fits. Each version of Dovecot has its own file. */

struct mail_user;

/* Override the check for this user, if the quota plugin is loaded. */
void pop3_policy_evict_quota_init(struct mail_user *user);

#endif
