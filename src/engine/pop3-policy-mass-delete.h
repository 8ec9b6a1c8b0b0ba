#ifndef POP3_POLICY_MASS_DELETE_H
#define POP3_POLICY_MASS_DELETE_H

#include "pop3-policy-effective.h"

/* Mass deletion: a session that asks to delete what nobody has read. */

/* A session that deletes fewer unread messages never is one. */
#define POP3_POLICY_MASS_DELETE_MIN 20

/* TRUE if mass_delete_percent takes a session's DELEs for a mass deletion.
   Counted are messages that were neither fetched in this session nor ever
   retrieved: unread are those of the view, deleted those of them that the
   client's DELEs ask to remove. Enforcement does not matter here. */
bool pop3_policy_is_mass_delete(const struct pop3_policy *policy,
				unsigned int deleted, unsigned int unread);

#endif
