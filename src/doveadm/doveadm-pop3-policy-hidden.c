/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "strfuncs.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-hidden.h"

/* Users that are asked for at a time. */
#define HIDDEN_USERS_LIMIT 1000

static bool field_is(const struct pop3_policy_wire_line *row, const char *key,
		     const char *value)
{
	return null_strcmp(pop3_policy_wire_get_str(row, key), value) == 0;
}

static void
hidden_add(pool_t pool, const struct pop3_policy_wire_line *row,
	   ARRAY_TYPE(doveadm_pop3_policy_hidden) *hidden)
{
	struct doveadm_pop3_policy_hidden *h;
	int64_t count;

	if (pop3_policy_wire_get_int64(row, "hidden", &count) <= 0 ||
	    count <= 0)
		return;
	h = array_append_space(hidden);
	h->username = p_strdup(pool, pop3_policy_wire_get_str(row, "username"));
	h->count = count;
	h->acts = field_is(row, "enforcement", "enforce") ||
		field_is(row, "hold", "yes");
}

int doveadm_pop3_policy_hidden(pool_t pool, const char *mask,
			       ARRAY_TYPE(doveadm_pop3_policy_hidden) *hidden)
{
	struct pop3_policy_wire_message *reply;
	const char *after = NULL;
	unsigned int i, count;

	do {
		const char *args[] = {
			mask, dec2str(HIDDEN_USERS_LIMIT), after
		};

		if (doveadm_pop3_policy_call("status", args, N_ELEMENTS(args),
					     &reply) < 0)
			return -1;
		count = reply->item_count;
		for (i = 0; i < count; i++)
			hidden_add(pool, &reply->items[i], hidden);
		if (count > 0) {
			after = t_strdup(pop3_policy_wire_get_str(
				&reply->items[count - 1], "username"));
		}
		pop3_policy_wire_message_free(&reply);
	} while (count == HIDDEN_USERS_LIMIT && after != NULL);
	return 0;
}
