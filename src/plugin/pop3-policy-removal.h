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
	/* the database does not have it yet, but this host: nothing may be
	   removed */
	bool postponed;
};
ARRAY_DEFINE_TYPE(pop3_policy_intent, struct pop3_policy_intent);

/* TRUE for the expunge that a client's DELE asked for. */
bool pop3_policy_removal_is_dele(const struct pop3_policy_removal *removal);

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

/* pop3_policy_describe(), with UIDLs. */
void pop3_policy_removals_describe(struct pop3_policy_session *session,
				   struct mailbox_transaction_context *t,
				   pool_t pool,
				   ARRAY_TYPE(pop3_policy_removal) *removals,
				   struct pop3_policy_left_out *left_out);

/* pop3_policy_intents_take(). may_postpone: the client hears about it, and what
   is not removed while the database is away is hidden; else it fails. */
int pop3_policy_removals_intend(struct pop3_policy_session *session,
				bool may_postpone,
				const ARRAY_TYPE(pop3_policy_removal) *removals,
				ARRAY_TYPE(pop3_policy_intent) *intents,
				const char **error_r);

/* They were postponed: those that take a message out of the mailbox hide it
   instead, but those of pop3_delete_type=flag, which leave it there. Returns how
   many they are. */
unsigned int
pop3_policy_removals_postpone(struct pop3_policy_session *session,
			      ARRAY_TYPE(pop3_policy_removal) *removals);

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

/* pop3_policy_intents_tell(). */
void pop3_policy_intents_outcome(struct pop3_policy_session *session,
				 const ARRAY_TYPE(pop3_policy_intent) *intents,
				 const char *result);

#endif
