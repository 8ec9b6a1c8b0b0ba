/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What the service knows of notices. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-user.h"
#include "pop3-policy-client.h"
#include "pop3-policy-notice-private.h"
#include "pop3-policy-protocol.h"

/* Begin a request. */
static unsigned int request_begin(struct pop3_policy_notifier *notifier,
				  string_t *text, const char *verb)
{
	unsigned int id = pop3_policy_client_next_id(notifier->service);

	pop3_policy_wire_begin(text, verb, id);
	pop3_policy_wire_str(text, "user", notifier->user->username);
	pop3_policy_wire_str(text, "session",
			     guid_128_to_string(notifier->id));
	pop3_policy_wire_str(text, "guid", guid_128_to_string(notifier->guid));
	pop3_policy_wire_num(text, "uidvalidity", notifier->uidvalidity);
	return id;
}

/* Send it and wait. Returns 0 and the reply, -1 and *error_r if there is
   none, or it is FAIL. */
static int request_end(struct pop3_policy_notifier *notifier, string_t *text,
		       unsigned int id, const char *verb,
		       struct pop3_policy_wire_message **reply_r,
		       const char **error_r)
{
	int ret;

	pop3_policy_wire_end(text);
	ret = pop3_policy_client_request(notifier->service, id, text, reply_r,
					 error_r);
	if (ret == 0) {
		*error_r = t_strdup_printf("%s was refused: %s", verb,
			pop3_policy_wire_get_str(&(*reply_r)->head, "text"));
		pop3_policy_wire_message_free(reply_r);
	}
	return ret > 0 ? 0 : -1;
}

static int
parse_rule(pool_t pool, const struct pop3_policy_wire_line *item,
	   struct pop3_policy_notices *notices)
{
	const char *name = pop3_policy_wire_get_str(item, "name");
	const char *value = pop3_policy_wire_get_str(item, "new");
	const char *nearest, *error;
	struct pop3_policy_notice_rule *rule;
	enum pop3_policy_param param;

	if (name == NULL || value == NULL)
		return -1;
	if (!pop3_policy_param_find(name, &param, &nearest)) {
		/* a newer service; there are no words for it */
		return 0;
	}
	rule = array_append_space(&notices->rules);
	rule->param = param;
	return pop3_policy_value_parse_canonical(pool, param, value,
						 &rule->value, &error);
}

static int
parse_expiry(const struct pop3_policy_wire_line *item,
	     struct pop3_policy_notices *notices)
{
	const char *uids = pop3_policy_wire_get_str(item, "uids");
	const char *exempt = pop3_policy_wire_get_str(item, "exempt");
	ARRAY_TYPE(seq_range) set;
	uint32_t before = 0;

	t_array_init(&set, 32);
	if (pop3_policy_wire_get_int64(item, "at", &notices->at) <= 0 ||
	    pop3_policy_wire_get_int64(item, "until", &notices->until) <= 0 ||
	    pop3_policy_wire_get_uint32(item, "before", &before) < 0)
		return -1;
	if (before > 1) {
		seq_range_array_add_range(&notices->expiring, 1, before - 1);
		if (exempt != NULL) {
			if (pop3_policy_uidset_parse(exempt, &set) < 0)
				return -1;
			seq_range_array_remove_seq_range(&notices->expiring,
							 &set);
		}
	}
	if (uids != NULL) {
		if (pop3_policy_uidset_parse(uids, &set) < 0)
			return -1;
		seq_range_array_merge(&notices->expiring, &set);
	}
	return 0;
}

int pop3_policy_notices_request(struct pop3_policy_notifier *notifier,
				struct pop3_policy_notices *notices_r,
				const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	string_t *text = t_str_new(256);
	unsigned int i, id;
	int ret = 0;

	i_zero(notices_r);
	p_array_init(&notices_r->rules, notifier->pool, 8);
	p_array_init(&notices_r->expiring, notifier->pool, 8);
	id = request_begin(notifier, text, "NOTICES");
	if (request_end(notifier, text, id, "NOTICES", &reply, error_r) < 0)
		return -1;
	notices_r->version = p_strdup(notifier->pool,
		pop3_policy_wire_get_str(&reply->head, "version"));
	for (i = 0; i < reply->item_count && ret == 0; i++) {
		const struct pop3_policy_wire_line *item = &reply->items[i];

		if (strcmp(item->name, "rule") == 0)
			ret = parse_rule(notifier->pool, item, notices_r);
		else if (strcmp(item->name, "expiry") == 0)
			ret = parse_expiry(item, notices_r);
		if (ret < 0) {
			*error_r = t_strdup_printf("NOTICES: item %u (%s) is "
				"incomplete or wrong", i + 1, item->name);
		}
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

int pop3_policy_notice_claim(struct pop3_policy_notifier *notifier,
			     const struct pop3_policy_notice_claim *claim,
			     const char *message_id, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	string_t *text = t_str_new(256);
	unsigned int id = request_begin(notifier, text, "NOTICE");
	bool take;

	pop3_policy_wire_str(text, "dsession", notifier->user->session_id);
	pop3_policy_wire_str(text, "kind", claim->kind);
	if (claim->level != 0)
		pop3_policy_wire_num(text, "level", claim->level);
	if (claim->until != 0)
		pop3_policy_wire_num(text, "until", claim->until);
	if (claim->count != 0)
		pop3_policy_wire_num(text, "count", claim->count);
	pop3_policy_wire_str(text, "version", claim->version);
	pop3_policy_wire_str(text, "message_id", message_id);
	if (request_end(notifier, text, id, "NOTICE", &reply, error_r) < 0)
		return -1;
	take = pop3_policy_wire_get_flag(&reply->head, "take");
	pop3_policy_wire_message_free(&reply);
	return take ? 1 : 0;
}
