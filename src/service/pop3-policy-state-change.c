/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What records do to the state of maildrops, as the SQL functions of their
   names do it. */

#include "lib.h"
#include "array.h"
#include "strnum.h"
#include "pop3-policy-disposition.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-record-session.h"
#include "pop3-policy-state-cache-private.h"

static struct pop3_policy_state_maildrop *
pop3_policy_state_find(struct pop3_policy_state_user *user, const char *guid,
		       uint32_t uidvalidity)
{
	struct pop3_policy_state_maildrop *drop;

	array_foreach_elem(&user->maildrops, drop) {
		if (drop->uidvalidity == uidvalidity &&
		    strcmp(drop->guid, guid) == 0)
			return drop;
	}
	return NULL;
}

/* As pop3.maildrop_find(). */
static struct pop3_policy_state_maildrop *
pop3_policy_state_get(struct pop3_policy_state_user *user, const char *guid,
		      uint32_t uidvalidity)
{
	struct pop3_policy_state_maildrop *drop =
		pop3_policy_state_find(user, guid, uidvalidity);

	if (drop == NULL) {
		drop = pop3_policy_state_user_add(user, "0", guid, uidvalidity);
		/* nothing was */
		i_array_init(&drop->retrieved, 4);
	}
	return drop;
}

static void pop3_policy_state_add(ARRAY_TYPE(seq_range) *set,
				  const ARRAY_TYPE(seq_range) *uids)
{
	if (array_count(uids) == 0)
		return;
	if (!array_is_created(set))
		i_array_init(set, 4);
	seq_range_array_merge(set, uids);
}

static void pop3_policy_state_remove(ARRAY_TYPE(seq_range) *set,
				     const ARRAY_TYPE(seq_range) *uids)
{
	if (array_is_created(set))
		seq_range_array_remove_seq_range(set, uids);
}

static void pop3_policy_state_unhide(struct pop3_policy_state_maildrop *drop,
				     const ARRAY_TYPE(seq_range) *uids)
{
	pop3_policy_state_remove(&drop->hidden, uids);
	pop3_policy_state_remove(&drop->postponed, uids);
	if (seq_range_exists(uids, drop->hidden_uid)) {
		/* of the next one the GUID is not known */
		drop->hidden_uid = 0;
		drop->hidden_guid[0] = '\0';
	}
}

static uint32_t pop3_policy_state_highest(const ARRAY_TYPE(seq_range) *set)
{
	const struct seq_range *last;

	if (!array_is_created(set) || array_count(set) == 0)
		return 0;
	last = array_idx(set, array_count(set) - 1);
	return last->seq2;
}

/* Those of the messages are in the view whose removal was postponed; what was
   hidden otherwise stays so. */
static void pop3_policy_state_show(struct pop3_policy_state_maildrop *drop,
				   const ARRAY_TYPE(seq_range) *uids)
{
	ARRAY_TYPE(seq_range) postponed;

	if (!array_is_created(&drop->postponed))
		return;
	t_array_init(&postponed, 8);
	seq_range_array_merge(&postponed, &drop->postponed);
	seq_range_array_intersect(&postponed, uids);
	pop3_policy_state_unhide(drop, &postponed);
}

/* There is no row in pop3.message any more. */
static void pop3_policy_state_drop(struct pop3_policy_state_maildrop *drop,
				   const ARRAY_TYPE(seq_range) *uids)
{
	pop3_policy_state_unhide(drop, uids);
	pop3_policy_state_remove(&drop->spared, uids);
}

/* --- intents --- */

static void
pop3_policy_state_change_add(struct pop3_policy_state_change *change,
			     const struct pop3_policy_wire_line *item)
{
	const char *guid = pop3_policy_wire_get_str(item, "guid");
	const char *action = pop3_policy_wire_get_str(item, "action");
	const char *reason = pop3_policy_wire_get_str(item, "reason");
	enum pop3_policy_action num;
	uint32_t uid = 0;

	(void)pop3_policy_wire_get_uint32(item, "uid", &uid);
	if (null_strcmp(action, "flag") == 0)
		seq_range_array_add(&change->flag, uid);
	if (action == NULL || pop3_policy_action_parse(action, &num) < 0 ||
	    num == POP3_POLICY_ACTION_NONE)
		return;
	if (num != POP3_POLICY_ACTION_HIDE && !change->postponed) {
		seq_range_array_add(&change->gone, uid);
		return;
	}
	seq_range_array_add(&change->hide, uid);
	if (num != POP3_POLICY_ACTION_HIDE &&
	    null_strcmp(reason, "mass-delete") != 0)
		seq_range_array_add(&change->postpone, uid);
	/* they come in the order of UIDs */
	change->last_uid = uid;
	(void)i_strocpy(change->last_guid,
			guid == NULL ? "" : t_str_lcase(guid),
			sizeof(change->last_guid));
}

struct pop3_policy_state_change *
pop3_policy_state_change_create(pool_t pool, bool postponed,
				const struct pop3_policy_wire_message *intent)
{
	struct pop3_policy_state_change *change;
	const char *guid = pop3_policy_wire_get_str(&intent->head, "guid");
	unsigned int i;

	change = p_new(pool, struct pop3_policy_state_change, 1);
	change->postponed = postponed;
	(void)pop3_policy_wire_get_uint32(&intent->head, "no", &change->no);
	(void)pop3_policy_wire_get_uint32(&intent->head, "uidvalidity",
					  &change->uidvalidity);
	(void)i_strocpy(change->guid, guid == NULL ? "" : t_str_lcase(guid),
			sizeof(change->guid));
	p_array_init(&change->hide, pool, 4);
	p_array_init(&change->postpone, pool, 4);
	p_array_init(&change->gone, pool, 4);
	p_array_init(&change->flag, pool, 4);
	for (i = 0; i < intent->item_count; i++)
		pop3_policy_state_change_add(change, &intent->items[i]);
	return change;
}

void pop3_policy_state_cache_change(struct pop3_policy_state_cache *cache,
				    const char *username,
				    const struct pop3_policy_state_change *change)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_changing(cache, username);
	struct pop3_policy_state_maildrop *drop;

	if (user == NULL)
		return;
	drop = pop3_policy_state_get(user, change->guid, change->uidvalidity);
	/* the mark hides it now, and is no state */
	if (!change->postponed)
		pop3_policy_state_show(drop, &change->flag);
	pop3_policy_state_drop(drop, &change->gone);
	pop3_policy_state_remove(&drop->spared, &change->hide);
	if (!change->postponed)
		pop3_policy_state_remove(&drop->postponed, &change->hide);
	pop3_policy_state_add(&drop->hidden, &change->hide);
	pop3_policy_state_add(&drop->postponed, &change->postpone);
	if (change->last_uid != 0 &&
	    change->last_uid == pop3_policy_state_highest(&drop->hidden)) {
		drop->hidden_uid = change->last_uid;
		(void)i_strocpy(drop->hidden_guid, change->last_guid,
				sizeof(drop->hidden_guid));
	}
}

/* --- sessions and events --- */

static uint32_t pop3_policy_state_num(const char *text)
{
	uint32_t num;

	return text == NULL || str_to_uint32(text, &num) < 0 ? 0 : num;
}

static void
pop3_policy_state_use_first(struct pop3_policy_state_user *user,
			    struct pop3_policy_state_maildrop *drop)
{
	unsigned int idx;

	for (idx = 0; array_idx_elem(&user->maildrops, idx) != drop; )
		idx++;
	array_delete(&user->maildrops, idx, 1);
	array_push_front(&user->maildrops, &drop);
}

void pop3_policy_state_cache_session(struct pop3_policy_state_cache *cache,
	const struct pop3_policy_record_session *data,
	const ARRAY_TYPE(seq_range) *retrieved,
	const ARRAY_TYPE(seq_range) *stay,
	const ARRAY_TYPE(seq_range) *removed)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_changing(cache, data->user);
	struct pop3_policy_state_maildrop *drop;
	uint32_t uidnext = pop3_policy_state_num(data->uidnext);
	uint32_t uidnext_end = pop3_policy_state_num(data->uidnext_end);

	if (user == NULL || data->guid == NULL || data->uidvalidity == NULL)
		return;
	drop = pop3_policy_state_get(user, data->guid,
				     pop3_policy_state_num(data->uidvalidity));
	if (strcmp(data->ended_by, "sweep") != 0)
		pop3_policy_state_use_first(user, drop);
	/* of overlapping sessions the one that saw more knows */
	if (data->messages != NULL &&
	    (data->uidnext_end == NULL || uidnext_end >= drop->uidnext))
		drop->messages = pop3_policy_state_num(data->messages);
	drop->uidnext = I_MAX(drop->uidnext, I_MAX(uidnext, uidnext_end));
	if (data->anchor_guid != NULL) {
		drop->anchor_uid = pop3_policy_state_num(data->anchor_uid);
		(void)i_strocpy(drop->anchor_guid, data->anchor_guid,
				sizeof(drop->anchor_guid));
	}
	if (strcmp(data->ended_by, "quit") == 0) {
		if (array_is_created(&drop->retrieved))
			pop3_policy_state_add(&drop->retrieved, retrieved);
		pop3_policy_state_remove(&drop->spared, stay);
	}
	pop3_policy_state_drop(drop, removed);
}

void pop3_policy_state_cache_gone(struct pop3_policy_state_cache *cache,
				  const char *username, const char *guid,
				  const char *uidvalidity,
				  const ARRAY_TYPE(seq_range) *uids)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_changing(cache, username);
	struct pop3_policy_state_maildrop *drop;

	if (user == NULL)
		return;
	if (guid != NULL && uidvalidity != NULL) {
		drop = pop3_policy_state_find(user, guid,
			pop3_policy_state_num(uidvalidity));
		if (drop == NULL)
			return;
		/* they were retrieved, perhaps, but are no more */
		pop3_policy_state_remove(&drop->retrieved, uids);
	} else if (array_count(&user->maildrops) == 1) {
		drop = array_idx_elem(&user->maildrops, 0);
	} else {
		pop3_policy_state_cache_forget(cache, username);
		return;
	}
	pop3_policy_state_drop(drop, uids);
}

void pop3_policy_state_cache_kept(struct pop3_policy_state_cache *cache,
				  const char *username, const char *guid,
				  const char *uidvalidity,
				  const ARRAY_TYPE(seq_range) *uids)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_changing(cache, username);
	struct pop3_policy_state_maildrop *drop;

	if (user == NULL || guid == NULL)
		return;
	drop = pop3_policy_state_find(user, guid,
				      pop3_policy_state_num(uidvalidity));
	if (drop != NULL)
		pop3_policy_state_show(drop, uids);
}
