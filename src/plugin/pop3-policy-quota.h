#ifndef POP3_POLICY_QUOTA_H
#define POP3_POLICY_QUOTA_H

/* Dovecot's quota plugin, which may not be loaded: limits go in, usage comes
   out. "The user's quota" is the first enforced quota root of the namespace
   of INBOX. What differs between Dovecot versions is in
   pop3-policy-quota-2.3.c and pop3-policy-quota-2.4.c. */

struct mail_namespace;
struct mail_user;
struct mailbox;
struct pop3_policy;
struct pop3_policy_client;
struct pop3_policy_session;

/* As Dovecot's quota counts. */
struct pop3_policy_quota_usage {
	uint64_t bytes, messages;
	/* the limits in force, 0 where there is none */
	uint64_t bytes_limit, messages_limit;
};

/* Set the limits of a policy, if it is enforced and has any, for the
   lifetime of the user object. inbox is the namespace that has INBOX. Logs a
   warning, once in a process, if there is no quota to set them in. */
void pop3_policy_quota_apply(struct mail_user *user,
			     struct mail_namespace *inbox,
			     const struct pop3_policy *policy);

/* The user's quota. Returns 0 if it is known, -1 if the user has none or it
   cannot be counted (logged by Dovecot). */
int pop3_policy_quota_usage(struct mail_user *user,
			    struct pop3_policy_quota_usage *usage_r);

/* The highest threshold of the policy's quota_warn, in percent, that the
   larger share of bytes and messages reaches; 0 if none does. */
unsigned int
pop3_policy_quota_level(const struct pop3_policy *policy,
			const struct pop3_policy_quota_usage *usage);

/* Tell the service about usage (USAGE), which waits for no answer. *level_r is
   the level as above, 0 where the policy is not known (NULL). Returns FALSE if
   the user has no quota. */
bool pop3_policy_quota_tell(struct pop3_policy_client *service,
			    struct mail_user *user,
			    const struct pop3_policy *policy,
			    struct pop3_policy_quota_usage *usage_r,
			    unsigned int *level_r);

/* A POP3 session is over: tell about usage, unless the session was only a
   poll. The quota of the session's policy is set for it. */
void pop3_policy_quota_session_end(struct pop3_policy_session *session);

/* What exceeds the quota in this delivery is refused by 452 4.2.2 (lda:
   EX_TEMPFAIL) if tempfail, else by 552 5.2.2 (EX_NOPERM). Set by _apply()
   already; until the save has failed it can be set otherwise. */
void pop3_policy_quota_set_tempfail(struct mail_user *user, bool tempfail);

/* From _begin() to _end() whatever is saved for this user passes its quotas,
   and counts in them. Not nested. */
void pop3_policy_quota_pass_begin(struct mail_user *user);
void pop3_policy_quota_pass_end(struct mail_user *user);

/* Moves between mailboxes of one quota root need no room, but Dovecot 2.4
   counts the copies before it counts the expunges: the second message of a
   transaction is refused when the quota is full. From _begin() to _end()
   Dovecot's quota plugin, where it is loaded, lets copies into target pass if
   all of target's quota roots are source's roots as well. Not nested. Dovecot
   2.3 does it by itself. */
void pop3_policy_quota_move_begin(struct mailbox *source,
				  struct mailbox *target);
void pop3_policy_quota_move_end(struct mailbox *source);

#endif
