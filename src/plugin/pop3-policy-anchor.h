#ifndef POP3_POLICY_ANCHOR_H
#define POP3_POLICY_ANCHOR_H

#include "seq-range-array.h"

struct mailbox_transaction_context;
struct pop3_policy_session;

/* The anchor is the identity of the highest message that a session saw. While
   a later session finds it, no UID below it was given out again; if its UID
   belongs to another message, the mailbox was put back from an older copy. */

/* Make the highest message that is not in except (may be NULL) the session's
   anchor. Leaves it alone if there is no such message. */
void pop3_policy_anchor_find(struct pop3_policy_session *session,
			     struct mailbox_transaction_context *t,
			     const ARRAY_TYPE(seq_range) *except);

/* The view is made: note an anchor if the known one is lower than the highest
   message, or missing, or was due. */
void pop3_policy_anchor_update(struct pop3_policy_session *session);

#endif
