#ifndef POP3_POLICY_DECIDE_H
#define POP3_POLICY_DECIDE_H

#include "pop3-policy-removal.h"

struct mailbox_transaction_context;
struct pop3_policy_session;

/* What QUIT makes of every message that the client fetched or wants deleted,
   by the policy as it is known. Decisions are void when the policy turns out
   to be another one. */
struct pop3_policy_decisions {
	pool_t pool;
	/* what is to be removed, moved or hidden, in the order of UIDs */
	ARRAY_TYPE(pop3_policy_removal) removals;
	/* what leaves the view, or would under enforce */
	ARRAY_TYPE(seq_range) leaving;
	/* session->would had so many before UPDATE */
	unsigned int would_before;
};

/* A new pool's decisions, freed by pool_unref(&decisions->pool). */
void pop3_policy_decisions_init(struct pop3_policy_session *session,
				struct pop3_policy_decisions *decisions);

/* Decide about all messages but those that others removed meanwhile. What was
   decided before is void. Sets session->retrieved, ->would and ->mass_*, too.
*/
void pop3_policy_decide(struct pop3_policy_session *session,
			struct mailbox_transaction_context *t,
			struct pop3_policy_decisions *decisions);

/* Removals that were postponed: what was retrieved is recorded as hidden where
   it is. */
void pop3_policy_decisions_hide(struct pop3_policy_session *session,
				const struct pop3_policy_decisions *decisions);

/* Removals that did not come to pass: those messages stay, and were retrieved.
   removed are the UIDs that are gone all the same, NULL if none. */
void pop3_policy_decisions_forget(struct pop3_policy_session *session,
				  const ARRAY_TYPE(seq_range) *removed);

#endif
