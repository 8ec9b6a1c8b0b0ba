#ifndef POP3_POLICY_STATE_CACHE_PRIVATE_H
#define POP3_POLICY_STATE_CACHE_PRIVATE_H

/* For pop3-policy-state-cache.c (who is known, and what the database said),
   pop3-policy-state-change.c (what was recorded since) and
   pop3-policy-state-answer.c (the answer as it was told). */

#include "hash.h"
#include "pop3-policy-state-cache.h"

struct pop3_policy_state_cache {
	unsigned int max_users, max_age;
	HASH_TABLE(char *, struct pop3_policy_state_user *) users;
	/* the least recently used one first */
	struct pop3_policy_state_user *head, *tail;
	/* of the last change of anything here; and of the last one that may
	   have been anybody's */
	unsigned int serial, touched_all;
};

struct pop3_policy_state_kept {
	/* of touched_all then */
	unsigned int touched_all;
	/* when the database said so */
	time_t learned;
	/* strings are behind the struct */
	struct pop3_policy_state_answer answer;
};

/* Seconds of a clock that nobody sets. */
time_t pop3_policy_state_cache_time(void);
/* The user counts as used now. Returns NULL if there is none. */
struct pop3_policy_state_user *
pop3_policy_state_cache_use(struct pop3_policy_state_cache *cache,
			    const char *username);
/* What may be told again, unless something may have changed since the mark. */
void pop3_policy_state_cache_keep(struct pop3_policy_state_cache *cache,
				  struct pop3_policy_state_user *user,
				  const struct pop3_policy_state_mark *mark,
				  const struct pop3_policy_state_answer *answer);

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
