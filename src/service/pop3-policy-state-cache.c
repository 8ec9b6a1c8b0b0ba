/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "llist.h"
#include "strnum.h"
#include "pop3-policy-db.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-login-reply.h"
#include "pop3-policy-state-cache-private.h"

#include <time.h>

time_t pop3_policy_state_cache_time(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) < 0)
		i_fatal("clock_gettime(CLOCK_BOOTTIME) failed: %m");
	return ts.tv_sec;
}

struct pop3_policy_state_cache *
pop3_policy_state_cache_init(unsigned int users, unsigned int secs)
{
	struct pop3_policy_state_cache *cache;

	cache = i_new(struct pop3_policy_state_cache, 1);
	cache->max_users = users;
	cache->max_age = secs;
	hash_table_create(&cache->users, default_pool, 0, str_hash, strcmp);
	return cache;
}

bool
pop3_policy_state_cache_is_used(const struct pop3_policy_state_cache *cache)
{
	return cache->max_users > 0 && cache->max_age > 0;
}

static void pop3_policy_state_user_clear(struct pop3_policy_state_user *user)
{
	struct pop3_policy_state_maildrop *drop;

	array_foreach_elem(&user->maildrops, drop) {
		i_free(drop->id);
		if (array_is_created(&drop->hidden))
			array_free(&drop->hidden);
		if (array_is_created(&drop->spared))
			array_free(&drop->spared);
		if (array_is_created(&drop->postponed))
			array_free(&drop->postponed);
		if (array_is_created(&drop->retrieved))
			array_free(&drop->retrieved);
		i_free(drop);
	}
	array_clear(&user->maildrops);
	user->known = FALSE;
}

static void pop3_policy_state_user_free(struct pop3_policy_state_cache *cache,
					struct pop3_policy_state_user *user)
{
	DLLIST2_REMOVE(&cache->head, &cache->tail, user);
	hash_table_remove(cache->users, user->name);
	pop3_policy_state_user_clear(user);
	array_free(&user->maildrops);
	i_free(user->kept);
	i_free(user->name);
	i_free(user);
}

void pop3_policy_state_cache_deinit(struct pop3_policy_state_cache **_cache)
{
	struct pop3_policy_state_cache *cache = *_cache;

	*_cache = NULL;
	while (cache->head != NULL)
		pop3_policy_state_user_free(cache, cache->head);
	hash_table_destroy(&cache->users);
	i_free(cache);
}

struct pop3_policy_state_user *
pop3_policy_state_cache_use(struct pop3_policy_state_cache *cache,
			    const char *username)
{
	struct pop3_policy_state_user *user =
		hash_table_lookup(cache->users, username);

	if (user != NULL) {
		DLLIST2_REMOVE(&cache->head, &cache->tail, user);
		DLLIST2_APPEND(&cache->head, &cache->tail, user);
	}
	return user;
}

void pop3_policy_state_cache_mark(struct pop3_policy_state_cache *cache,
				  const char *username,
				  struct pop3_policy_state_mark *mark_r)
{
	struct pop3_policy_state_user *user;

	i_zero(mark_r);
	if (cache->max_users == 0)
		return;
	user = pop3_policy_state_cache_use(cache, username);
	if (user == NULL) {
		if (hash_table_count(cache->users) >= cache->max_users)
			pop3_policy_state_user_free(cache, cache->head);
		user = i_new(struct pop3_policy_state_user, 1);
		user->name = i_strdup(username);
		i_array_init(&user->maildrops, 1);
		/* not what one had who was here before */
		user->changed = user->touched = ++cache->serial;
		hash_table_insert(cache->users, user->name, user);
		DLLIST2_APPEND(&cache->head, &cache->tail, user);
	}
	mark_r->changed = user->changed;
	mark_r->touched = user->touched;
	mark_r->touched_all = cache->touched_all;
}

const struct pop3_policy_state_user *
pop3_policy_state_cache_find(struct pop3_policy_state_cache *cache,
			     const char *username)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_use(cache, username);

	if (user == NULL || !user->known || cache->max_age == 0 ||
	    pop3_policy_state_cache_time() - user->learned >
	    (time_t)cache->max_age)
		return NULL;
	return user;
}

void pop3_policy_state_cache_forget(struct pop3_policy_state_cache *cache,
				    const char *username)
{
	struct pop3_policy_state_user *user =
		hash_table_lookup(cache->users, username);

	if (user != NULL) {
		pop3_policy_state_cache_touch(cache, username);
		user->changed = user->touched;
		pop3_policy_state_user_clear(user);
	}
}

struct pop3_policy_state_user *
pop3_policy_state_cache_changing(struct pop3_policy_state_cache *cache,
				 const char *username)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_use(cache, username);

	if (user == NULL)
		return NULL;
	pop3_policy_state_cache_touch(cache, username);
	user->changed = user->touched;
	return user->known ? user : NULL;
}

struct pop3_policy_state_maildrop *
pop3_policy_state_user_add(struct pop3_policy_state_user *user,
			   const char *id, const char *guid,
			   uint32_t uidvalidity)
{
	struct pop3_policy_state_maildrop *drop;

	drop = i_new(struct pop3_policy_state_maildrop, 1);
	drop->id = i_strdup(id);
	(void)i_strocpy(drop->guid, guid, sizeof(drop->guid));
	drop->uidvalidity = uidvalidity;
	drop->uidnext = 1;
	drop->messages = -1;
	array_push_front(&user->maildrops, &drop);
	return drop;
}

/* --- what the database said --- */

static const char *
pop3_policy_state_text(const struct pop3_policy_db_result *state,
		       unsigned int row, enum pop3_policy_state_column column)
{
	const char *value = pop3_policy_db_result_get(state, row, column);

	return value == NULL ? "" : value;
}

static uint32_t
pop3_policy_state_num(const struct pop3_policy_db_result *state,
		      unsigned int row, enum pop3_policy_state_column column)
{
	const char *value = pop3_policy_db_result_get(state, row, column);
	uint32_t num;

	return value == NULL || str_to_uint32(value, &num) < 0 ? 0 : num;
}

static void
pop3_policy_state_guid(const struct pop3_policy_db_result *state,
		       unsigned int row, enum pop3_policy_state_column column,
		       char guid[POP3_POLICY_GUID_SIZE])
{
	const char *value = pop3_policy_uuid_digits(
		pop3_policy_db_result_get(state, row, column));

	(void)i_strocpy(guid, value == NULL ? "" : value, POP3_POLICY_GUID_SIZE);
}

static void
pop3_policy_state_set(const struct pop3_policy_db_result *state,
		      unsigned int row, enum pop3_policy_state_column column,
		      ARRAY_TYPE(seq_range) *set_r)
{
	const char *value = pop3_policy_db_result_get(state, row, column);
	const char *error;

	if (value == NULL)
		return;
	i_array_init(set_r, 4);
	/* it was parsed for the reply before */
	if (pop3_policy_multirange_parse(value, set_r, &error) < 0)
		array_clear(set_r);
}

void pop3_policy_state_cache_learn(struct pop3_policy_state_cache *cache,
				   const struct pop3_policy_state_mark *mark,
				   const char *username,
				   const struct pop3_policy_db_result *state,
				   const struct pop3_policy_state_answer *answer)
{
	struct pop3_policy_state_user *user =
		hash_table_lookup(cache->users, username);
	struct pop3_policy_state_maildrop *drop;
	unsigned int row = pop3_policy_db_result_rows(state);

	if (user == NULL || user->changed != mark->changed)
		return;
	pop3_policy_state_user_clear(user);
	pop3_policy_state_cache_keep(cache, user, mark, answer);
	user->known = TRUE;
	user->learned = pop3_policy_state_cache_time();
	while (row-- > 0) {
		drop = pop3_policy_state_user_add(user,
			pop3_policy_state_text(state, row,
				POP3_POLICY_STATE_MAILDROP_ID), "",
			pop3_policy_state_num(state, row,
				POP3_POLICY_STATE_UIDVALIDITY));
		pop3_policy_state_guid(state, row,
			POP3_POLICY_STATE_MAILBOX_GUID, drop->guid);
		drop->uidnext = pop3_policy_state_num(state, row,
			POP3_POLICY_STATE_UIDNEXT);
		if (pop3_policy_db_result_get(state, row,
					POP3_POLICY_STATE_MESSAGES) != NULL) {
			drop->messages = pop3_policy_state_num(state, row,
				POP3_POLICY_STATE_MESSAGES);
		}
		drop->anchor_uid = pop3_policy_state_num(state, row,
			POP3_POLICY_STATE_ANCHOR_UID);
		pop3_policy_state_guid(state, row,
			POP3_POLICY_STATE_ANCHOR_GUID, drop->anchor_guid);
		drop->hidden_uid = pop3_policy_state_num(state, row,
			POP3_POLICY_STATE_HIDDEN_UID);
		pop3_policy_state_guid(state, row,
			POP3_POLICY_STATE_HIDDEN_GUID, drop->hidden_guid);
		drop->view_from = pop3_policy_state_num(state, row,
			POP3_POLICY_STATE_VIEW_FROM);
		pop3_policy_state_set(state, row, POP3_POLICY_STATE_HIDDEN,
				      &drop->hidden);
		pop3_policy_state_set(state, row, POP3_POLICY_STATE_SPARED,
				      &drop->spared);
		pop3_policy_state_set(state, row, POP3_POLICY_STATE_POSTPONED,
				      &drop->postponed);
		pop3_policy_state_set(state, row, POP3_POLICY_STATE_RETRIEVED,
				      &drop->retrieved);
	}
}
