#ifndef POP3_POLICY_SEEN_H
#define POP3_POLICY_SEEN_H

#include "mail-storage.h"

struct pop3_policy_session;

/* mark_seen: which messages get \Seen. */

/* Dovecot is about to set flags on a message of the POP3 session. Returns TRUE
   if it must not: \Seen is set by _apply(), or not at all. */
bool pop3_policy_seen_defer(struct pop3_policy_session *session,
			    struct mail *mail, enum modify_type modify_type,
			    enum mail_flags flags);

/* Add the UIDs of all messages that get \Seen in this UPDATE to *uids. */
void pop3_policy_seen_find(const struct pop3_policy_session *session,
			   ARRAY_TYPE(seq_range) *uids);

/* Set it in UPDATE's transaction, on messages that stay in the mailbox. */
void pop3_policy_seen_apply(struct pop3_policy_session *session,
			    struct mailbox_transaction_context *t);

#endif
