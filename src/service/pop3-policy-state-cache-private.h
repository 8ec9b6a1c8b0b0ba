#ifndef POP3_POLICY_STATE_CACHE_PRIVATE_H
#define POP3_POLICY_STATE_CACHE_PRIVATE_H

/* For pop3-policy-state-cache.c (who is known, and what the database said) and
   pop3-policy-state-change.c (what was recorded since). */

#include "pop3-policy-state-cache.h"

/* Something is recorded for the user. Returns NULL if nothing is known that it
   would change. */
struct pop3_policy_state_user *
pop3_policy_state_cache_changing(struct pop3_policy_state_cache *cache,
				 const char *username);
/* Add a maildrop in front of the others. */
struct pop3_policy_state_maildrop *
pop3_policy_state_user_add(struct pop3_policy_state_user *user,
			   const char *id, const char *guid,
			   uint32_t uidvalidity);

#endif
