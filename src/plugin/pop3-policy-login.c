/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-login.h"

static int
get_uidset(pool_t pool, const struct pop3_policy_wire_line *line,
	   const char *key, ARRAY_TYPE(seq_range) *set_r)
{
	const char *value = pop3_policy_wire_get_str(line, key);

	p_array_init(set_r, pool, 8);
	return value == NULL ? 0 : pop3_policy_uidset_parse(value, set_r);
}

static int
get_guid(const struct pop3_policy_wire_line *line, const char *key,
	 guid_128_t guid_r)
{
	const char *value = pop3_policy_wire_get_str(line, key);

	return value == NULL ? 0 : pop3_policy_guid_parse(value, guid_r);
}

static int
parse_maildrop(struct pop3_policy_login *login,
	       const struct pop3_policy_wire_line *line)
{
	struct pop3_policy_maildrop *drop = array_append_space(&login->maildrops);

	drop->id = p_strdup(login->pool, pop3_policy_wire_get_str(line, "id"));
	if (drop->id == NULL ||
	    pop3_policy_wire_get_uint32(line, "uidvalidity",
					&drop->uidvalidity) <= 0 ||
	    pop3_policy_wire_get_uint32(line, "uidnext", &drop->uidnext) < 0 ||
	    pop3_policy_wire_get_uint32(line, "messages",
					&drop->messages) < 0 ||
	    pop3_policy_wire_get_uint32(line, "tracked", &drop->tracked) < 0 ||
	    pop3_policy_wire_get_uint32(line, "anchor_uid",
					&drop->anchor_uid) < 0 ||
	    pop3_policy_wire_get_uint32(line, "hidden_uid",
					&drop->hidden_uid) < 0 ||
	    pop3_policy_wire_get_uint32(line, "view_from",
					&drop->view_from) < 0 ||
	    pop3_policy_wire_get_uint32(line, "before", &drop->before) < 0 ||
	    get_guid(line, "guid", drop->guid) < 0 ||
	    get_guid(line, "anchor_guid", drop->anchor_guid) < 0 ||
	    get_guid(line, "hidden_guid", drop->hidden_guid) < 0 ||
	    get_uidset(login->pool, line, "hidden", &drop->hidden) < 0 ||
	    get_uidset(login->pool, line, "exempt", &drop->exempt) < 0 ||
	    get_uidset(login->pool, line, "spared", &drop->spared) < 0 ||
	    get_uidset(login->pool, line, "postponed", &drop->postponed) < 0 ||
	    get_uidset(login->pool, line, "retrieved", &drop->retrieved) < 0 ||
	    get_uidset(login->pool, line, "would", &drop->would) < 0)
		return -1;
	drop->retrieved_known =
		pop3_policy_wire_get_str(line, "retrieved") != NULL;
	return 0;
}

static int
parse_due(struct pop3_policy_login *login,
	  const struct pop3_policy_wire_line *line,
	  struct pop3_policy_due *due)
{
	const char *guid = pop3_policy_wire_get_str(line, "guid");
	const char *reason = pop3_policy_wire_get_str(line, "reason");

	due->maildrop = p_strdup(login->pool,
				 pop3_policy_wire_get_str(line, "maildrop"));
	if (due->maildrop == NULL || guid == NULL || reason == NULL ||
	    pop3_policy_wire_get_uint32(line, "uid", &due->uid) <= 0 ||
	    pop3_policy_guid_parse(guid, due->guid) < 0 ||
	    pop3_policy_reason_parse(reason, &due->reason) < 0)
		return -1;
	return 0;
}

static int
parse_intent(struct pop3_policy_login *login,
	     const struct pop3_policy_wire_line *line)
{
	struct pop3_policy_open_intent *intent =
		array_append_space(&login->intents);
	const char *session = pop3_policy_wire_get_str(line, "session");

	intent->maildrop =
		p_strdup(login->pool,
			 pop3_policy_wire_get_str(line, "maildrop"));
	if (intent->maildrop == NULL || session == NULL ||
	    pop3_policy_guid_parse(session, intent->session) < 0 ||
	    pop3_policy_wire_get_uint32(line, "no", &intent->no) <= 0)
		return -1;
	return 0;
}

int pop3_policy_login_parse_policy(pool_t pool,
				   const struct pop3_policy_wire_line *head,
				   struct pop3_policy *policy_r,
				   const char **error_r)
{
	const struct pop3_policy_param_info *info;
	const char *value;
	unsigned int i;

	pop3_policy_init_builtin(policy_r);
	policy_r->paused = pop3_policy_wire_get_flag(head, "paused");
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		info = pop3_policy_param_info(i);
		value = pop3_policy_wire_get_str(head,
			t_strconcat("p.", info->name, NULL));
		if (value == NULL) {
			/* an older service does not know the parameter yet */
			continue;
		}
		if (pop3_policy_value_parse_canonical(pool, i, value,
				&policy_r->values[i], error_r) < 0)
			return -1;
	}
	return 0;
}

int pop3_policy_login_parse(const struct pop3_policy_wire_message *reply,
			    struct pop3_policy_login **login_r,
			    const char **error_r)
{
	struct pop3_policy_login *login;
	pool_t pool = pool_alloconly_create("pop3-policy login", 2048);
	unsigned int i;
	int ret;

	login = p_new(pool, struct pop3_policy_login, 1);
	login->pool = pool;
	p_array_init(&login->maildrops, pool, 1);
	p_array_init(&login->due, pool, 16);
	p_array_init(&login->postponed, pool, 4);
	p_array_init(&login->intents, pool, 1);
	login->now = p_strdup(pool, pop3_policy_wire_get_str(&reply->head,
							     "now"));
	login->version = p_strdup(pool, pop3_policy_wire_get_str(&reply->head,
								 "version"));
	login->offline = pop3_policy_wire_get_flag(&reply->head, "offline");
	if (login->now == NULL || login->version == NULL) {
		*error_r = "now or version is missing";
		ret = -1;
	} else if (pop3_policy_wire_get_uint32(&reply->head, "wait",
					       &login->wait) < 0) {
		*error_r = "wait is wrong";
		ret = -1;
	} else {
		ret = pop3_policy_login_parse_policy(pool, &reply->head,
						     &login->policy, error_r);
	}
	for (i = 0; i < reply->item_count && ret == 0; i++) {
		const struct pop3_policy_wire_line *item = &reply->items[i];

		if (strcmp(item->name, "maildrop") == 0)
			ret = parse_maildrop(login, item);
		else if (strcmp(item->name, "due") == 0)
			ret = parse_due(login, item,
					array_append_space(&login->due));
		else if (strcmp(item->name, "postponed") == 0)
			ret = parse_due(login, item,
					array_append_space(&login->postponed));
		else if (strcmp(item->name, "intent") == 0)
			ret = parse_intent(login, item);
		if (ret < 0) {
			*error_r = t_strdup_printf(
				"item %u (%s) is incomplete or wrong",
				i + 1, item->name);
		}
	}
	if (ret < 0)
		pop3_policy_login_free(&login);
	*login_r = login;
	return ret;
}

void pop3_policy_login_refresh(struct pop3_policy_login *login,
			       const struct pop3_policy_login *fresh)
{
	const struct pop3_policy_maildrop *fresh_drop;
	struct pop3_policy_maildrop *drop;
	unsigned int i;

	login->version = p_strdup(login->pool, fresh->version);
	login->policy = fresh->policy;
	if (fresh->offline)
		login->offline = TRUE;
	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		login->policy.values[i].str =
			p_strdup(login->pool, fresh->policy.values[i].str);
	}
	array_foreach_modifiable(&login->maildrops, drop) {
		array_foreach(&fresh->maildrops, fresh_drop) {
			if (strcmp(drop->id, fresh_drop->id) != 0)
				continue;
			seq_range_array_merge(&drop->retrieved,
					      &fresh_drop->retrieved);
			if (fresh_drop->retrieved_known)
				drop->retrieved_known = TRUE;
		}
	}
}

void pop3_policy_login_free(struct pop3_policy_login **_login)
{
	struct pop3_policy_login *login = *_login;

	*_login = NULL;
	if (login != NULL)
		pool_unref(&login->pool);
}
