#ifndef POP3_POLICY_DESCRIBE_H
#define POP3_POLICY_DESCRIBE_H

#include "pop3-policy-removal.h"

struct mail;
struct mailbox_transaction_context;

/* Returns the UIDL of a mail, from the pool, or NULL if there is none. */
typedef const char *
pop3_policy_uidl_callback_t(struct mail *mail, pool_t pool, void *context);

/* Look up the identity of each message, for the audit. Only the GUID is
   essential: a message whose size or headers cannot be read is described
   without them. Messages that cannot be removed are left out of *removals and
   listed in *left_out. uidl may be NULL. Strings are allocated from the
   pool. */
void pop3_policy_describe(struct mailbox_transaction_context *t, pool_t pool,
			  pop3_policy_uidl_callback_t *uidl,
			  void *uidl_context,
			  ARRAY_TYPE(pop3_policy_removal) *removals,
			  struct pop3_policy_left_out *left_out);

#endif
