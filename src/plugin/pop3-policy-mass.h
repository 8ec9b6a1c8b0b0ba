#ifndef POP3_POLICY_MASS_H
#define POP3_POLICY_MASS_H

struct mailbox_transaction_context;
struct pop3_policy_session;

/* Does the session delete a mass of messages that nobody has read? Sets
   session->mass_mode to what is to be done about it, and ->mass_deleted and
   ->mass_unread to what is told. */
void pop3_policy_mass_judge(struct pop3_policy_session *session,
			    struct mailbox_transaction_context *t);

/* UPDATE is done: tell the audit of a mass deletion, if it was one. */
void pop3_policy_mass_report(struct pop3_policy_session *session);

#endif
