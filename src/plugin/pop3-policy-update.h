#ifndef POP3_POLICY_UPDATE_H
#define POP3_POLICY_UPDATE_H

struct mailbox_transaction_context;
struct pop3_policy_session;

/* RFC 1939's UPDATE state: what QUIT does, and the policy with it. */

/* QUIT's commit is about to happen: decide about every message, make the
   intent durable and put the removals into the transaction. Returns 0 if the
   commit may go on. Returns -1 if not; the storage's error is then set to a
   text for the client, and nothing may be removed. */
int pop3_policy_update_begin(struct pop3_policy_session *session,
			     struct mailbox_transaction_context *t);
/* The commit failed; it may have been written in part. */
void pop3_policy_update_commit_failed(struct pop3_policy_session *session);
/* The sync that follows the commit succeeded: UPDATE is done, +OK comes. */
void pop3_policy_update_finish(struct pop3_policy_session *session);

#endif
