#ifndef POP3_POLICY_CAPA_H
#define POP3_POLICY_CAPA_H

#include "str.h"

struct pop3_policy_session;

/* If this is Dovecot's whole reply to CAPA, return the one that is true for
   the session's user (data stack): with EXPIRE and LOGIN-DELAY of RFC 2449.
   Else, and where the policy does not act, return NULL. */
const string_t *
pop3_policy_capa_reply(struct pop3_policy_session *session,
		       const void *data, size_t size);

#endif
