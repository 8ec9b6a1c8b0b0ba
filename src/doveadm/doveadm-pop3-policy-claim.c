/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "guid.h"
#include "strfuncs.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-claim.h"

const char *doveadm_pop3_policy_sweeper(pool_t pool)
{
	guid_128_t guid;

	guid_128_generate(guid);
	return p_strdup(pool, guid_128_to_string(guid));
}

int doveadm_pop3_policy_claim(const char *user, const char *sweeper)
{
	const char *args[] = { user, sweeper };
	struct pop3_policy_wire_message *reply;
	const char *value;
	int ret;

	if (doveadm_pop3_policy_call("sweep_claim", args, N_ELEMENTS(args),
				     &reply) < 0)
		return -1;
	value = reply->item_count == 0 ? NULL :
		pop3_policy_wire_get_str(&reply->items[0], "sweep_claim");
	ret = null_strcmp(value, "t") == 0 ? 1 : 0;
	pop3_policy_wire_message_free(&reply);
	return ret;
}

int doveadm_pop3_policy_release(const char *user, const char *sweeper,
				bool done)
{
	const char *args[] = { user, sweeper, done ? "t" : "f" };
	struct pop3_policy_wire_message *reply;

	if (doveadm_pop3_policy_call("sweep_release", args, N_ELEMENTS(args),
				     &reply) < 0)
		return -1;
	pop3_policy_wire_message_free(&reply);
	return 0;
}
