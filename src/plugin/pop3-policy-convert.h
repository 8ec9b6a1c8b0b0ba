#ifndef POP3_POLICY_CONVERT_H
#define POP3_POLICY_CONVERT_H

#include "pop3-policy-disposition.h"

/* Take hidden messages out of the mailbox for good, before the plugin is: POP3
   clients would see them again. */

struct pop3_policy_session;

struct pop3_policy_convert {
	/* EXPUNGE or MOVE */
	enum pop3_policy_action action;
	/* where a move goes; NULL: where the policy's moves go */
	const char *mailbox;

	/* how many messages were converted, or would be */
	unsigned int count;
	/* there may be more: so many are done at a time */
	bool more;
};

/* Of a mailbox that was prepared. With the session's dry_run: only count. What
   is removed is in session->removed, as what was due. Returns 0 if ok, -1 and
   *error_r if nothing was converted. */
int pop3_policy_convert_hidden(struct pop3_policy_session *session,
			       struct pop3_policy_convert *convert,
			       const char **error_r);

#endif
