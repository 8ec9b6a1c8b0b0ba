#ifndef POP3_POLICY_MOVE_H
#define POP3_POLICY_MOVE_H

#include "pop3-policy-removal.h"

struct mailbox_transaction_context;
struct pop3_policy_session;
struct pop3_policy_move;

/* Moves of an UPDATE: messages are copied into the target mailbox, and that
   copy is committed, before UPDATE's own commit expunges them. A crash between
   the two commits leaves both; the next move finds the copy by its GUID, and
   makes no other. */

/* Open the mailbox that the removals with action MOVE go to (one for all). It
   is created and subscribed to if it does not exist. Returns 1 if it can be
   written to, 0 if there are no moves, -1 and *error_r if not. *move_r must be
   freed unless it is NULL. */
int pop3_policy_move_open(struct pop3_policy_session *session,
			  const ARRAY_TYPE(pop3_policy_removal) *removals,
			  struct pop3_policy_move **move_r,
			  const char **error_r);
/* The intents are durable: copy what is not in the target already, commit the
   copies, and put the expunges of the moved messages into t. Returns 0 if ok,
   -1 and *error_r if t must not be committed; then the target has no copies,
   or all of them. */
int pop3_policy_move_commit(struct pop3_policy_move *move,
			    struct mailbox_transaction_context *t,
			    const ARRAY_TYPE(pop3_policy_removal) *removals,
			    const ARRAY_TYPE(pop3_policy_intent) *intents,
			    const char **error_r);
void pop3_policy_move_free(struct pop3_policy_move **move);

#endif
