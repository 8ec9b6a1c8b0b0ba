#ifndef POP3_POLICY_REFUSE_H
#define POP3_POLICY_REFUSE_H

#include "str.h"

struct pop3_policy_session;

/* on_dele=refuse. If this is the +OK of a DELE that the policy refuses, take
   the message's mark back, note the message and return the -ERR that takes the
   +OK's place (data stack). Else return NULL. */
const string_t *
pop3_policy_refuse_reply(struct pop3_policy_session *session,
			 const void *data, size_t size);

/* At the session's end: tell the audit which DELEs were refused, or would have
   been under enforcement=enforce. */
void pop3_policy_refuse_report(struct pop3_policy_session *session);

#endif
