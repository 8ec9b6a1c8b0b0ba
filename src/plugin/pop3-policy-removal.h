#ifndef POP3_POLICY_REMOVAL_H
#define POP3_POLICY_REMOVAL_H

#include "guid.h"
#include "seq-range-array.h"
#include "pop3-policy-disposition.h"

struct mailbox_transaction_context;
struct pop3_policy_session;

/* Removals, and what comes before and after them: nothing leaves the mailbox
   or the view without a durable intent. The order is always

       _describe(), _intend(), pop3_policy_move_commit() if there are moves,
       _apply(), the mailbox commit, pop3_policy_intents_outcome()
*/

struct pop3_policy_removal {
	uint32_t uid;
	/* the message must have this GUID; filled by _describe() if empty */
	guid_128_t guid;
	enum pop3_policy_action action;
	enum pop3_policy_reason reason;
	/* where a move goes */
	const char *mailbox;
	/* filled by _describe() */
	uoff_t size;
	const char *uidl, *message_id;
};
ARRAY_DEFINE_TYPE(pop3_policy_removal, struct pop3_policy_removal);

/* An intent that the database has. */
struct pop3_policy_intent {
	uint32_t no;
	/* the mailbox commit must begin before it; monotonic nanoseconds */
	uint64_t commit_until;
};
ARRAY_DEFINE_TYPE(pop3_policy_intent, struct pop3_policy_intent);

/* Bring removals into the order of their UIDs. */
void
pop3_policy_removals_sort(ARRAY_TYPE(pop3_policy_removal) *removals);

/* What _describe() left out of the removals. */
struct pop3_policy_left_out {
	/* not in the mailbox any more */
	ARRAY_TYPE(seq_range) gone;
	/* the message has another GUID than the expected one */
	ARRAY_TYPE(seq_range) mismatched;
	/* the storage could not identify the message */
	ARRAY_TYPE(seq_range) failed;
};

void pop3_policy_left_out_init(struct pop3_policy_left_out *left_out,
			       pool_t pool);

/* Look up the identity of each message, for the audit. Only the GUID is
   essential: a message whose size or headers cannot be read is described
   without them. Messages that cannot be removed are left out of *removals and
   listed in *left_out. Strings are allocated from the pool. */
void pop3_policy_removals_describe(struct pop3_policy_session *session,
				   struct mailbox_transaction_context *t,
				   pool_t pool,
				   ARRAY_TYPE(pop3_policy_removal) *removals,
				   struct pop3_policy_left_out *left_out);

/* Make the intent to remove these messages durable; waits for it. Returns
   1 if it is durable (*intents tells which), 0 if the policy changed since
   LOGIN (nothing may be removed), -1 and *error_r if it cannot be known to be
   durable (nothing may be removed). */
int pop3_policy_removals_intend(struct pop3_policy_session *session,
				const ARRAY_TYPE(pop3_policy_removal) *removals,
				ARRAY_TYPE(pop3_policy_intent) *intents,
				const char **error_r);

/* Put the expunges into the transaction; pop3_policy_move_commit() does it for
   moves. Right before its commit. Returns 0 if ok, -1 and *error_r if an
   intent holds no longer. */
int pop3_policy_removals_apply(struct pop3_policy_session *session,
			       struct mailbox_transaction_context *t,
			       const ARRAY_TYPE(pop3_policy_removal) *removals,
			       const ARRAY_TYPE(pop3_policy_intent) *intents,
			       const char **error_r);

/* Remove those UIDs from *uids that are still in the mailbox, after a sync, and
   return how many there were. The storage may not expunge what it was asked
   to: a read-only mailbox, missing rights. */
unsigned int pop3_policy_removals_verify(struct pop3_policy_session *session,
					 ARRAY_TYPE(seq_range) *uids);

/* enforcement=observe: note what would have been removed. */
void
pop3_policy_removals_would(struct pop3_policy_session *session,
			   const ARRAY_TYPE(pop3_policy_removal) *removals);

/* Add the UIDs of those removals that take a message out of the mailbox to
   *uids. */
void
pop3_policy_removals_expunged(struct pop3_policy_session *session,
			      const ARRAY_TYPE(pop3_policy_removal) *removals,
			      ARRAY_TYPE(seq_range) *uids);

/* Returns 0 if a commit may begin on the strength of these intents, -1 and
   *error_r if one of them does not hold any more. */
int pop3_policy_intents_check(const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char **error_r);
/* Tell what became of the intents: "committed", "failed" (nothing was
   removed) or "unknown". Does not wait. */
void pop3_policy_intents_outcome(struct pop3_policy_session *session,
				 const ARRAY_TYPE(pop3_policy_intent) *intents,
				 const char *result);

#endif
