#ifndef POP3_POLICY_LEAVE_H
#define POP3_POLICY_LEAVE_H

struct mailbox_transaction_context;
struct pop3_policy_decisions;
struct pop3_policy_session;

/* leave_max_messages, leave_max_bytes: the service knows what retrieved mail
   was left before, and says which of it has to go. Behind all other decisions:
   adds removals, or under observe what would be removed. If the service cannot
   tell, the mail stays for a later session. */
void pop3_policy_leave_decide(struct pop3_policy_session *session,
			      struct mailbox_transaction_context *t,
			      struct pop3_policy_decisions *decisions);

#endif
