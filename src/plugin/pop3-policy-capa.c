/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* CAPA behind the login tells what the policy means for this user (RFC 2449,
   sections 6.5 and 6.7). The argument USER belongs to replies before the
   login, pop3_policy_login plugin. */

#include "lib.h"
#include "pop3-capability.h"
#include "pop3-policy-capa.h"
#include "pop3-policy-output.h"
#include "pop3-policy-session.h"

#define CAPA_BEGIN "+OK\r\n" POP3_CAPABILITY_REPLY
#define CAPA_REPLY CAPA_BEGIN ".\r\n"

static void
append_expire(string_t *dest, const struct pop3_policy *policy)
{
	int days = pop3_policy_expire_days(policy);

	if (days < 0)
		str_append(dest, "EXPIRE NEVER\r\n");
	else
		str_printfa(dest, "EXPIRE %d\r\n", days);
}

static void
append_login_delay(string_t *dest, const struct pop3_policy *policy)
{
	int64_t delay = pop3_policy_num(policy, POP3_POLICY_PARAM_LOGIN_DELAY);

	if (delay > 0 &&
	    pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
	    POP3_POLICY_ENFORCEMENT_ENFORCE)
		str_printfa(dest, "LOGIN-DELAY %"PRId64"\r\n", delay);
}

const string_t *
pop3_policy_capa_reply(struct pop3_policy_session *session,
		       const void *data, size_t size)
{
	const struct pop3_policy *policy = session->policy;
	string_t *reply;

	if (size != sizeof(CAPA_REPLY) - 1 ||
	    memcmp(data, CAPA_REPLY, size) != 0 ||
	    !pop3_policy_output_command_is("capa"))
		return NULL;
	if (pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
	    POP3_POLICY_ENFORCEMENT_OFF &&
	    pop3_policy_num(policy, POP3_POLICY_PARAM_POP3_HOLD) ==
	    POP3_POLICY_NO) {
		/* as if there were no policy: nothing is known of what
		   Dovecot's own settings do */
		return NULL;
	}

	reply = t_str_new(sizeof(CAPA_REPLY) + 64);
	str_append(reply, CAPA_BEGIN);
	append_expire(reply, policy);
	append_login_delay(reply, policy);
	str_append(reply, ".\r\n");
	return reply;
}
