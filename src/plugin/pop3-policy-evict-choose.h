#ifndef POP3_POLICY_EVICT_CHOOSE_H
#define POP3_POLICY_EVICT_CHOOSE_H

#include "pop3-policy-evict.h"
#include "pop3-policy-removal.h"

struct mailbox_transaction_context;
struct pop3_policy_sender;

/* Which messages go to make room: the service names them in their order, the
   mailbox tells their sizes. */

struct pop3_policy_evict_choice {
	pool_t pool;
	struct pop3_policy_evict_sum need;
	/* the quota counts virtual sizes, not physical ones */
	bool vsizes;

	/* as few as suffice, and their sum as the quota counts */
	ARRAY_TYPE(pop3_policy_removal) removals;
	struct pop3_policy_evict_sum sum;
	/* messages whose recorded GUID is another's, told to the audit */
	ARRAY_TYPE(seq_range) mismatched;
};

void pop3_policy_evict_choice_init(struct pop3_policy_evict_choice *choice,
				   const struct pop3_policy_evict_sum *need,
				   bool vsizes);
void pop3_policy_evict_choice_deinit(struct pop3_policy_evict_choice *choice);

/* Fill choice->removals and choice->sum; t is a transaction of INBOX, whose
   identity sender has. May be called again. Returns 1 if ok, 0 if all that may
   go is not enough, -1 and *error_r if that cannot be known. */
int pop3_policy_evict_choose(const struct pop3_policy_sender *sender,
			     struct mailbox_transaction_context *t,
			     struct pop3_policy_evict_choice *choice,
			     const char **error_r);

#endif
