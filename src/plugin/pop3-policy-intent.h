#ifndef POP3_POLICY_INTENT_H
#define POP3_POLICY_INTENT_H

#include "pop3-policy-removal.h"

struct pop3_policy_sender;

/* Intents: what is to be removed is made durable before it is removed. For
   POP3 sessions pop3-policy-removal.h has it all in one. */

struct pop3_policy_intent_request {
	const struct pop3_policy_sender *sender;
	/* the policy's version that was decided upon */
	const char *version;
	/* Message-ID of the message that room is made for, else NULL */
	const char *room_for;
	/* pop3_delete_type=flag: DELE sets a keyword instead of expunging */
	bool dele_is_flag;
	/* whether the session is offline, so that nothing is removed, only
	   hidden; set if the database turns out to be away. NULL: it fails
	   then. */
	bool *offline;
	/* number of the sender's last intent, counted on */
	uint32_t *last_no;
};

/* Make the intent to remove these messages durable; waits for it. Returns
   1 if it is durable (*intents tells which; if *offline is set, the removals
   were postponed, and nothing may be removed or moved), 0 if the policy changed since it
   was asked (nothing may be removed), -1 and *error_r if it cannot be known to
   be durable (nothing may be removed). */
int pop3_policy_intents_take(const struct pop3_policy_intent_request *request,
			     const ARRAY_TYPE(pop3_policy_removal) *removals,
			     ARRAY_TYPE(pop3_policy_intent) *intents,
			     const char **error_r);

/* Returns 0 if a commit may begin on the strength of these intents, -1 and
   *error_r if one of them does not hold any more. */
int pop3_policy_intents_check(const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char **error_r);

/* Tell what became of the intents: "committed", "failed" (nothing was
   removed) or "unknown". What was postponed is hidden from the user's other
   sessions when it is told to be committed. Does not wait. */
void pop3_policy_intents_tell(const struct pop3_policy_sender *sender,
			      const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char *result);

#endif
