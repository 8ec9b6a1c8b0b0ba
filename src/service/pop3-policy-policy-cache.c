/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "llist.h"
#include "strnum.h"
#include "pop3-policy-policy-cache-private.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-user-policy.h"

#include <ctype.h>

/* Users whose own rows are kept. */
#define POP3_POLICY_CACHE_MAX_USERS 100000

/* Columns of pop3.policy_changes(). */
enum pop3_policy_changes_column {
	POP3_POLICY_CHANGES_KIND = 0,
	POP3_POLICY_CHANGES_NAME,
	POP3_POLICY_CHANGES_PRESET,
	POP3_POLICY_CHANGES_VERSION,
	POP3_POLICY_CHANGES_VALUES,
	POP3_POLICY_CHANGES_GENERATION,
	POP3_POLICY_CHANGES_CHANGED_BY,
	POP3_POLICY_CHANGES_HISTORY_ID
};

/* --- what it consists of --- */

static void pop3_policy_cache_domain_free(struct pop3_policy_cache *cache,
					  const char *name)
{
	struct pop3_policy_cache_row *row;
	char *key;

	if (!hash_table_lookup_full(cache->domains, name, &key, &row))
		return;
	hash_table_remove(cache->domains, name);
	i_free(key);
	pop3_policy_cache_row_free(&row);
}

static struct pop3_policy_cache_preset *
pop3_policy_cache_preset_get(struct pop3_policy_cache *cache, const char *name)
{
	struct pop3_policy_cache_preset *preset;

	if (name == NULL)
		return NULL;
	preset = hash_table_lookup(cache->presets, name);
	if (preset == NULL) {
		preset = i_new(struct pop3_policy_cache_preset, 1);
		preset->name = i_strdup(name);
		hash_table_insert(cache->presets, preset->name, preset);
	}
	return preset;
}

static void pop3_policy_cache_user_free(struct pop3_policy_cache *cache,
					struct pop3_policy_cache_user *user)
{
	DLLIST2_REMOVE(&cache->head, &cache->tail, user);
	hash_table_remove(cache->users, user->name);
	pop3_policy_cache_row_free(&user->row);
	i_free(user);
}

static struct pop3_policy_cache_user *
pop3_policy_cache_user_get(struct pop3_policy_cache *cache, const char *name)
{
	struct pop3_policy_cache_user *user;
	size_t size = strlen(name) + 1;

	user = hash_table_lookup(cache->users, name);
	if (user == NULL) {
		if (hash_table_count(cache->users) >=
		    POP3_POLICY_CACHE_MAX_USERS)
			pop3_policy_cache_user_free(cache, cache->head);
		user = i_malloc(MALLOC_ADD(sizeof(*user), size));
		user->name = (char *)(user + 1);
		memcpy(user->name, name, size);
		hash_table_insert(cache->users, user->name, user);
		DLLIST2_APPEND(&cache->head, &cache->tail, user);
	}
	return user;
}

static void pop3_policy_cache_clear_scopes(struct pop3_policy_cache *cache)
{
	struct hash_iterate_context *iter;
	struct pop3_policy_cache_preset *preset;
	struct pop3_policy_cache_row *row;
	char *key;

	pop3_policy_cache_row_free(&cache->site);
	iter = hash_table_iterate_init(cache->domains);
	while (hash_table_iterate(iter, cache->domains, &key, &row)) {
		i_free(key);
		pop3_policy_cache_row_free(&row);
	}
	hash_table_iterate_deinit(&iter);
	hash_table_clear(cache->domains, TRUE);
	iter = hash_table_iterate_init(cache->presets);
	while (hash_table_iterate(iter, cache->presets, &key, &preset))
		pop3_policy_cache_row_free(&preset->row);
	hash_table_iterate_deinit(&iter);
}

struct pop3_policy_cache *
pop3_policy_cache_init(struct event *event_parent,
		       const struct pop3_policy_service_settings *set,
		       struct pop3_policy_pool *pool,
		       struct pop3_policy_state_feed *feed)
{
	struct pop3_policy_cache *cache;

	cache = i_new(struct pop3_policy_cache, 1);
	cache->event = event_create(event_parent);
	cache->pool = pool;
	cache->feed = feed;
	hash_table_create(&cache->domains, default_pool, 0, str_hash, strcmp);
	hash_table_create(&cache->presets, default_pool, 0, str_hash, strcmp);
	hash_table_create(&cache->users, default_pool, 0, str_hash, strcmp);
	cache->loader = pop3_policy_loader_init(cache, set);
	return cache;
}

void pop3_policy_cache_deinit(struct pop3_policy_cache **_cache)
{
	struct pop3_policy_cache *cache = *_cache;
	struct hash_iterate_context *iter;
	struct pop3_policy_cache_preset *preset;
	char *key;

	*_cache = NULL;
	pop3_policy_loader_deinit(&cache->loader);
	while (cache->head != NULL)
		pop3_policy_cache_user_free(cache, cache->head);
	pop3_policy_cache_clear_scopes(cache);
	iter = hash_table_iterate_init(cache->presets);
	while (hash_table_iterate(iter, cache->presets, &key, &preset)) {
		i_free(preset->name);
		i_free(preset);
	}
	hash_table_iterate_deinit(&iter);
	if (cache->names != NULL)
		pop3_policy_cache_names_deinit(&cache->names);
	hash_table_destroy(&cache->users);
	hash_table_destroy(&cache->presets);
	hash_table_destroy(&cache->domains);
	event_unref(&cache->event);
	i_free(cache->version);
	i_free(cache->stopped);
	i_free(cache);
}

/* --- what the loader brings --- */

static int
pop3_policy_cache_apply_row(struct pop3_policy_cache *cache,
			    const struct pop3_policy_db_result *result,
			    unsigned int i, const char **error_r)
{
	const char *kind = pop3_policy_db_result_get(result, i,
		POP3_POLICY_CHANGES_KIND);
	const char *name = pop3_policy_db_result_get(result, i,
		POP3_POLICY_CHANGES_NAME);
	const char *version = pop3_policy_db_result_get(result, i,
		POP3_POLICY_CHANGES_VERSION);
	struct pop3_policy_cache_row *row = NULL;
	struct pop3_policy_cache_preset *preset;
	struct pop3_policy_cache_user *user;

	if (kind == NULL || name == NULL) {
		*error_r = "pop3.policy_changes() returned a row without name";
		return -1;
	}
	if (strcmp(kind, "user") == 0) {
		if (cache->names != NULL) {
			pop3_policy_cache_names_add(cache->names, name,
						    strlen(name));
		}
		user = hash_table_lookup(cache->users, name);
		if (user != NULL)
			user->loaded = 0;
		return 0;
	}
	preset = pop3_policy_cache_preset_get(cache,
		pop3_policy_db_result_get(result, i,
					  POP3_POLICY_CHANGES_PRESET));
	if (version != NULL) {
		row = pop3_policy_cache_row_create(version,
			pop3_policy_db_result_get(result, i,
						  POP3_POLICY_CHANGES_VALUES),
			preset);
	}
	if (strcmp(kind, "preset") == 0) {
		preset = pop3_policy_cache_preset_get(cache, name);
		pop3_policy_cache_row_free(&preset->row);
		preset->row = row;
	} else if (strcmp(name, "*") == 0) {
		pop3_policy_cache_row_free(&cache->site);
		cache->site = row;
	} else {
		pop3_policy_cache_domain_free(cache, name);
		if (row != NULL)
			hash_table_insert(cache->domains, i_strdup(name), row);
	}
	return 0;
}

int pop3_policy_cache_apply(struct pop3_policy_cache *cache,
			    const struct pop3_policy_db_result *result,
			    struct pop3_policy_cache_state *state_r,
			    const char **error_r)
{
	const char *kind = pop3_policy_db_result_get(result, 0,
		POP3_POLICY_CHANGES_KIND);
	const char *generation = pop3_policy_db_result_get(result, 0,
		POP3_POLICY_CHANGES_GENERATION);
	const char *changed_by = pop3_policy_db_result_get(result, 0,
		POP3_POLICY_CHANGES_CHANGED_BY);
	const char *history_id = pop3_policy_db_result_get(result, 0,
		POP3_POLICY_CHANGES_HISTORY_ID);
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	int ret = 0;

	if (kind == NULL || generation == NULL || changed_by == NULL ||
	    history_id == NULL ||
	    str_to_int64(generation, &state_r->generation) < 0 ||
	    str_to_int64(history_id, &state_r->history_id) < 0) {
		*error_r = "pop3.policy_changes() returned no generation";
		return -1;
	}
	state_r->all = strcmp(kind, "all") == 0;
	/* until the rest is there, too */
	if (state_r->all) {
		cache->right = FALSE;
		pop3_policy_cache_clear_scopes(cache);
		/* never 0 */
		cache->loaded += cache->loaded == UINT_MAX ? 2 : 1;
	}
	cache->changes++;
	i_free(cache->version);
	cache->version = i_strconcat(generation, ".", changed_by, NULL);
	for (i = 1; i < rows && ret == 0; i++) T_BEGIN {
		ret = pop3_policy_cache_apply_row(cache, result, i, error_r);
	} T_END_PASS_STR_IF(ret < 0, error_r);
	if (ret < 0)
		cache->right = FALSE;
	return ret;
}

void pop3_policy_cache_set_names(struct pop3_policy_cache *cache,
				 struct pop3_policy_cache_names **names)
{
	if (cache->names != NULL)
		pop3_policy_cache_names_deinit(&cache->names);
	cache->names = *names;
	*names = NULL;
	cache->known = TRUE;
}

void pop3_policy_cache_is_right(struct pop3_policy_cache *cache,
				uint64_t usecs)
{
	cache->right = TRUE;
	cache->right_at = usecs;
}

void pop3_policy_cache_set_stopped(struct pop3_policy_cache *cache,
				   const char *stopped)
{
	if (null_strcmp(cache->stopped, stopped) != 0) {
		i_free(cache->stopped);
		cache->stopped = i_strdup(stopped);
	}
	pop3_policy_pool_stopped(cache->pool, stopped);
}

unsigned int pop3_policy_cache_mark(const struct pop3_policy_cache *cache)
{
	return cache->changes;
}

/* The user's scope, and its domain's ("@domain") or NULL. Returns FALSE where
   PostgreSQL may see another lower case than we do. Allocated from the data
   stack. */
static bool pop3_policy_cache_scopes(const char *username, const char **user_r,
				     const char **domain_r)
{
	char *user, *p;

	*user_r = username;
	*domain_r = NULL;
	p = strchr(username, '@');
	if (p == NULL)
		return TRUE;
	user = t_strdup_noconst(username);
	p = user + (p - username);
	*user_r = user;
	*domain_r = p;
	for (; *p != '\0'; p++) {
		/* in Turkish, the lower case of I has no dot */
		if ((*p & 0x80) != 0 || *p == 'I')
			return FALSE;
		*p = i_tolower(*p);
	}
	return TRUE;
}

void pop3_policy_cache_learn(struct pop3_policy_cache *cache,
			     unsigned int mark, const char *username,
			     const struct pop3_policy_db_result *result)
{
	struct pop3_policy_cache_preset *preset = NULL;
	struct pop3_policy_cache_user *user;
	const char *scope, *domain, *level, *version = NULL, *values = NULL;
	unsigned int i;

	if (mark != cache->changes || !cache->known ||
	    !pop3_policy_cache_scopes(username, &scope, &domain))
		return;
	for (i = 0; i < pop3_policy_db_result_rows(result); i++) {
		level = pop3_policy_db_result_get(result, i, 0);
		if (level == NULL)
			return;
		if (strcmp(level, "0") == 0) {
			version = pop3_policy_db_result_get(result, i, 2);
			values = pop3_policy_db_result_get(result, i, 3);
		} else if (strcmp(level, "1") == 0) {
			preset = pop3_policy_cache_preset_get(cache,
				pop3_policy_db_result_get(result, i, 1));
		}
	}
	if (!pop3_policy_cache_names_has(cache->names, scope)) {
		if (version == NULL)
			return;
		/* made since the last look, which may have been the last one
		   for some time */
		pop3_policy_cache_names_add(cache->names, scope, strlen(scope));
	}
	user = pop3_policy_cache_user_get(cache, scope);
	pop3_policy_cache_row_free(&user->row);
	if (version != NULL) {
		user->row = pop3_policy_cache_row_create(version, values,
							 preset);
	}
	user->loaded = cache->loaded;
}

/* --- what others ask --- */

/* Returns FALSE if the row, or its preset, is not known or unusable. */
static bool
pop3_policy_cache_get_level(const struct pop3_policy_cache_row *row,
			    unsigned int level, pool_t pool,
			    struct pop3_policy_row *copies,
			    const struct pop3_policy_row **rows,
			    int64_t *versions)
{
	const struct pop3_policy_cache_preset *preset;

	if (row == NULL)
		return TRUE;
	if (!pop3_policy_cache_row_get(row, pool, &copies[level]))
		return FALSE;
	rows[level] = &copies[level];
	versions[level] = pop3_policy_cache_row_version(row);

	preset = pop3_policy_cache_row_preset(row);
	if (preset == NULL)
		return TRUE;
	level++;
	if (preset->row == NULL ||
	    !pop3_policy_cache_row_get(preset->row, pool, &copies[level]))
		return FALSE;
	rows[level] = &copies[level];
	versions[level] = pop3_policy_cache_row_version(preset->row);
	return TRUE;
}

static bool
pop3_policy_cache_find(struct pop3_policy_cache *cache, pool_t pool,
		       const char *username, bool last,
		       struct pop3_policy *policy_r, const char **version_r,
		       const char **stopped_r)
{
	const struct pop3_policy_row *rows[POP3_POLICY_LEVEL_ROWS] = { NULL };
	int64_t versions[POP3_POLICY_LEVEL_ROWS] = { 0 };
	struct pop3_policy_row copies[POP3_POLICY_LEVEL_ROWS];
	const struct pop3_policy_cache_row *own = NULL, *of_domain = NULL;
	struct pop3_policy_cache_user *user;
	const char *scope, *domain;

	if (!pop3_policy_cache_scopes(username, &scope, &domain))
		return FALSE;
	if (pop3_policy_cache_names_has(cache->names, scope)) {
		user = hash_table_lookup(cache->users, scope);
		if (user == NULL || (user->loaded != cache->loaded && !last))
			return FALSE;
		/* the next to be forgotten is another one */
		DLLIST2_REMOVE(&cache->head, &cache->tail, user);
		DLLIST2_APPEND(&cache->head, &cache->tail, user);
		own = user->row;
	}
	if (domain != NULL)
		of_domain = hash_table_lookup(cache->domains, domain);
	if (!pop3_policy_cache_get_level(own, POP3_POLICY_LEVEL_USER, pool,
					 copies, rows, versions) ||
	    !pop3_policy_cache_get_level(of_domain, POP3_POLICY_LEVEL_DOMAIN,
					 pool, copies, rows, versions) ||
	    !pop3_policy_cache_get_level(cache->site, POP3_POLICY_LEVEL_SITE,
					 pool, copies, rows, versions))
		return FALSE;
	pop3_policy_merge(rows, policy_r);
	policy_r->paused = cache->stopped != NULL;
	*stopped_r = p_strdup(pool, cache->stopped);
	*version_r = p_strdup(pool, pop3_policy_user_policy_version(versions,
		policy_r->paused));
	return TRUE;
}

static uint64_t pop3_policy_cache_age(const struct pop3_policy_cache *cache)
{
	return pop3_policy_cache_usecs() - cache->right_at;
}

int pop3_policy_cache_lookup(struct pop3_policy_cache *cache, pool_t pool,
			     const char *username,
			     struct pop3_policy *policy_r,
			     const char **version_r, const char **stopped_r)
{
	if (!cache->right || pop3_policy_cache_age(cache) >=
	    POP3_POLICY_CACHE_MAX_AGE_MSECS * 1000)
		return -1;
	return pop3_policy_cache_find(cache, pool, username, FALSE, policy_r,
				      version_r, stopped_r) ? 1 : 0;
}

const char *pop3_policy_cache_known(const struct pop3_policy_cache *cache)
{
	i_assert(cache->version != NULL);
	return cache->stopped == NULL ? t_strdup(cache->version) :
		t_strconcat(cache->version, ".", cache->stopped, NULL);
}

void pop3_policy_cache_look(struct pop3_policy_cache *cache)
{
	pop3_policy_loader_soon(cache->loader);
}

int pop3_policy_cache_lookup_last(struct pop3_policy_cache *cache, pool_t pool,
				  const char *username,
				  struct pop3_policy *policy_r,
				  const char **version_r,
				  const char **stopped_r,
				  unsigned int *age_msecs_r)
{
	if (!cache->known ||
	    !pop3_policy_cache_find(cache, pool, username, TRUE, policy_r,
				    version_r, stopped_r))
		return 0;
	*age_msecs_r = (unsigned int)I_MIN(
		pop3_policy_cache_age(cache) / 1000, UINT_MAX);
	return 1;
}

bool pop3_policy_cache_clock(const struct pop3_policy_cache *cache,
			     struct pop3_policy_cache_clock *clock_r)
{
	uint64_t age = pop3_policy_cache_usecs() - cache->db_now_at;
	struct timespec here;

	if (cache->db_now_at == 0)
		return FALSE;
	if (clock_gettime(CLOCK_REALTIME, &here) < 0)
		i_fatal("clock_gettime(CLOCK_REALTIME) failed: %m");
	clock_r->now = cache->db_now + (double)age / 1000000;
	clock_r->ahead = clock_r->now - ((double)here.tv_sec +
					 (double)here.tv_nsec / 1000000000);
	clock_r->age_msecs = (unsigned int)I_MIN(age / 1000, UINT_MAX);
	return TRUE;
}
