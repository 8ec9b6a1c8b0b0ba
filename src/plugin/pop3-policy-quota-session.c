/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What a POP3 session does to the quota: it removes, mostly. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-session.h"

/* The client only looked whether there is mail, and nothing was due. */
static bool session_is_poll(const struct pop3_policy_session *session)
{
	return array_count(&session->fetched_uids) == 0 &&
		array_count(&session->retrieved) == 0 &&
		array_count(&session->removed) == 0;
}

void pop3_policy_quota_session_end(struct pop3_policy_session *session)
{
	struct mail_user *user = session->user;
	struct pop3_policy_quota_usage usage;
	unsigned int level;

	if (!session->prepared || session_is_poll(session) ||
	    !pop3_policy_quota_is_loaded())
		return;
	pop3_policy_quota_apply(user,
				mail_namespace_find_inbox(user->namespaces),
				session->policy);
	(void)pop3_policy_quota_tell(session->service, user, session->policy,
				     &usage, &level);
}
