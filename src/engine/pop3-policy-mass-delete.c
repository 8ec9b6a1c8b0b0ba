/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-mass-delete.h"

bool pop3_policy_is_mass_delete(const struct pop3_policy *policy,
				unsigned int deleted, unsigned int unread)
{
	int64_t percent = pop3_policy_num(policy,
		POP3_POLICY_PARAM_MASS_DELETE_PERCENT);

	return percent != POP3_POLICY_NEVER &&
		deleted >= POP3_POLICY_MASS_DELETE_MIN &&
		(int64_t)deleted * 100 > percent * (int64_t)unread;
}
