#ifndef POP3_POLICY_VIEW_H
#define POP3_POLICY_VIEW_H

#include "seq-range-array.h"

struct mail_index_view;
struct pop3_policy_session;

/* The view: which messages a session numbers. session->box is synced, and its
   state is known (session->drop, NULL if the database knows none). Sets
   session->hidden, view_from and filter, for the whole session. */
void pop3_policy_view_fix(struct pop3_policy_session *session);

/* TRUE if the policy leaves a message of this mailbox view out. */
bool pop3_policy_view_leaves_out(const struct pop3_policy_session *session,
				 struct mail_index_view *view, uint32_t seq);

#endif
