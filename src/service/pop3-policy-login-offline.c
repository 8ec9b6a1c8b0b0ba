/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-login-offline.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-service.h"
#include "pop3-policy-state-cache.h"

bool
pop3_policy_login_offline_find(struct pop3_policy_service *service,
			       const char *username,
			       struct pop3_policy_login_offline *offline_r)
{
	struct pop3_policy_known_limits known;

	i_zero(offline_r);
	offline_r->state = pop3_policy_state_cache_find(service->states,
							username);
	if (offline_r->state == NULL ||
	    !pop3_policy_limits_find(service->limits, username, &known))
		return FALSE;
	offline_r->now = known.now;
	offline_r->policy = known.policy;
	offline_r->lease = service->set.intent_lease;
	return TRUE;
}

static void
pop3_policy_offline_set(string_t *dest, const char *key,
			const ARRAY_TYPE(seq_range) *set, bool if_empty)
{
	string_t *text;

	if (!array_is_created(set) || (array_count(set) == 0 && !if_empty))
		return;
	text = t_str_new(128);
	pop3_policy_uidset_append(text, set);
	pop3_policy_wire_str(dest, key, str_c(text));
}

static void pop3_policy_offline_uid(string_t *dest, const char *key, uint32_t uid)
{
	if (uid != 0)
		pop3_policy_wire_num(dest, key, uid);
}

static void pop3_policy_offline_guid(string_t *dest, const char *key,
				     const char *guid)
{
	if (*guid != '\0')
		pop3_policy_wire_str(dest, key, guid);
}

static bool
pop3_policy_offline_maildrop(string_t *dest,
			     const struct pop3_policy_state_maildrop *drop)
{
	size_t start = str_len(dest);

	pop3_policy_wire_item(dest, "maildrop");
	pop3_policy_wire_str(dest, "id", drop->id);
	pop3_policy_wire_num(dest, "uidvalidity", drop->uidvalidity);
	pop3_policy_wire_num(dest, "uidnext", drop->uidnext);
	if (drop->messages >= 0)
		pop3_policy_wire_num(dest, "messages", drop->messages);
	pop3_policy_offline_uid(dest, "anchor_uid", drop->anchor_uid);
	pop3_policy_offline_uid(dest, "hidden_uid", drop->hidden_uid);
	pop3_policy_offline_uid(dest, "view_from", drop->view_from);
	pop3_policy_wire_str(dest, "guid", drop->guid);
	pop3_policy_offline_guid(dest, "anchor_guid", drop->anchor_guid);
	pop3_policy_offline_guid(dest, "hidden_guid", drop->hidden_guid);
	pop3_policy_offline_set(dest, "hidden", &drop->hidden, FALSE);
	pop3_policy_offline_set(dest, "spared", &drop->spared, FALSE);
	pop3_policy_offline_set(dest, "postponed", &drop->postponed, FALSE);
	pop3_policy_offline_set(dest, "retrieved", &drop->retrieved, TRUE);
	pop3_policy_wire_end(dest);
	return str_len(dest) - start <= POP3_POLICY_MAX_LINE;
}

bool
pop3_policy_login_offline_write(string_t *dest, unsigned int id,
				const struct pop3_policy_login_offline *offline)
{
	struct pop3_policy_state_maildrop *drop;
	unsigned int count = array_count(&offline->state->maildrops);

	pop3_policy_wire_begin(dest, "OK", id);
	pop3_policy_wire_str(dest, "now", offline->now);
	pop3_policy_wire_flag(dest, "offline", TRUE);
	pop3_policy_wire_num(dest, "lease", offline->lease);
	str_append(dest, offline->policy);
	if (count > 0)
		pop3_policy_wire_num(dest, "items", count);
	pop3_policy_wire_end(dest);
	array_foreach_elem(&offline->state->maildrops, drop) {
		if (!pop3_policy_offline_maildrop(dest, drop))
			return FALSE;
	}
	return TRUE;
}
