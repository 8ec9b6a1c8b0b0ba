/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Loads the cache of policies, on a connection of its own: a login never waits
   for it, nor does it for the logins' questions.

   Each second it asks for the generation. If that moved on, it asks for what
   changed since, in one snapshot; if it went back, or the source is another, for
   everything but the rows of users, and for the users' names, some at a time:
   what changes meanwhile is found at the next look.

   With the generation it asks for what changed of maildrops, see
   pop3-policy-state-feed.h. */

#include "lib.h"
#include "ioloop.h"
#include "strnum.h"
#include "pop3-policy-policy-cache-private.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-state-feed.h"

#define POP3_POLICY_LOAD_INTERVAL_USECS (1000 * 1000)
/* Notifications make it look sooner, but not more often than so. */
#define POP3_POLICY_LOAD_SOON_USECS (100 * 1000)
/* Names at a time: half a megabyte. */
#define POP3_POLICY_LOAD_NAMES "20000"
/* Everything of a large site takes longer than a login may wait. */
#define POP3_POLICY_LOAD_MIN_TIMEOUT_MSECS (10 * 1000)

/* Columns of pop3.policy_generation(). */
enum pop3_policy_generation_column {
	POP3_POLICY_GENERATION_SOURCE = 0,
	POP3_POLICY_GENERATION_NUMBER,
	POP3_POLICY_GENERATION_CHANGED_BY,
	POP3_POLICY_GENERATION_STOPPED,
	POP3_POLICY_GENERATION_NOW
};

static const enum pop3_policy_stmt load_stmts[] = {
	POP3_POLICY_STMT_POLICY_GENERATION,
	POP3_POLICY_STMT_POLICY_CHANGES,
	POP3_POLICY_STMT_POLICY_USERS,
	POP3_POLICY_STMT_MAILDROP_CHANGES,
};

struct pop3_policy_loader {
	struct pop3_policy_cache *cache;
	struct pop3_policy_db *db;
	struct timeout *to;
	/* a look is under way; another one is wanted after it */
	bool looking, again;
	/* when it began */
	uint64_t sent;
	bool complained;

	/* what the cache has is of there; NULL if everything has to be
	   loaded */
	char *source;
	struct pop3_policy_cache_state state;
	/* being loaded: is of there, and right as of then */
	char *new_source;
	uint64_t changes_sent;
	struct pop3_policy_cache_names *names;
};

static void pop3_policy_loader_look(struct pop3_policy_loader *loader);

static void pop3_policy_loader_schedule(struct pop3_policy_loader *loader)
{
	uint64_t passed = pop3_policy_cache_usecs() - loader->sent;
	uint64_t wait = loader->again ? POP3_POLICY_LOAD_SOON_USECS :
		POP3_POLICY_LOAD_INTERVAL_USECS;

	wait = passed >= wait ? 0 : wait - passed;
	timeout_remove(&loader->to);
	loader->to = timeout_add_short((unsigned int)(wait / 1000),
				       pop3_policy_loader_look, loader);
}

/* The look is over. */
static void pop3_policy_loader_done(struct pop3_policy_loader *loader)
{
	loader->looking = FALSE;
	if (loader->complained) {
		e_info(loader->cache->event, "Policies can be read ahead again");
		loader->complained = FALSE;
	}
	pop3_policy_loader_schedule(loader);
}

/* It could not be had, though the connection stands. error is NULL if that is
   nobody's concern. */
static void pop3_policy_loader_failed(struct pop3_policy_loader *loader,
				      const char *error)
{
	loader->looking = FALSE;
	i_free(loader->source);
	if (error != NULL && !loader->complained) {
		e_warning(loader->cache->event, "Policies cannot be read "
			  "ahead, so each login asks for its user's: %s",
			  error);
		loader->complained = TRUE;
	}
	pop3_policy_loader_schedule(loader);
}

/* Returns FALSE if there is nothing in the result. */
static bool
pop3_policy_loader_check(struct pop3_policy_loader *loader,
			 const struct pop3_policy_db_result *result)
{
	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK)
		return TRUE;
	/* what follows a lost connection is in _disconnected() */
	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_LOST)
		return FALSE;
	pop3_policy_loader_failed(loader,
		pop3_policy_db_result_failure(result) ==
		POP3_POLICY_DB_FAILURE_TRANSIENT ? NULL :
		pop3_policy_db_result_error(result));
	return FALSE;
}

static void pop3_policy_loader_loaded(struct pop3_policy_loader *loader)
{
	i_free(loader->source);
	loader->source = loader->new_source;
	loader->new_source = NULL;
	pop3_policy_cache_is_right(loader->cache, loader->changes_sent);
	pop3_policy_loader_done(loader);
}

/* --- names --- */

static void
pop3_policy_loader_names_callback(struct pop3_policy_db_result *result,
				  void *context);

static void pop3_policy_loader_ask_names(struct pop3_policy_loader *loader,
					 const char *after)
{
	const char *params[] = { after, POP3_POLICY_LOAD_NAMES };

	pop3_policy_db_send(loader->db, POP3_POLICY_STMT_POLICY_USERS, params,
			    pop3_policy_loader_names_callback, loader);
	pop3_policy_db_sync(loader->db, NULL, NULL);
}

static void
pop3_policy_loader_names_callback(struct pop3_policy_db_result *result,
				  void *context)
{
	struct pop3_policy_loader *loader = context;
	const char *names, *last, *end;

	if (!pop3_policy_loader_check(loader, result))
		return;
	names = pop3_policy_db_result_get(result, 0, 0);
	last = pop3_policy_db_result_get(result, 0, 1);
	if (names == NULL || last == NULL) {
		pop3_policy_cache_set_names(loader->cache, &loader->names);
		/* it took a while */
		loader->again = TRUE;
		pop3_policy_loader_loaded(loader);
		return;
	}
	for (;; names = end + 1) {
		end = names + strcspn(names, "\n");
		pop3_policy_cache_names_add(loader->names, names,
					    (size_t)(end - names));
		if (*end == '\0')
			break;
	}
	pop3_policy_loader_ask_names(loader, last);
}

/* --- what changed, or everything --- */

static void
pop3_policy_loader_changes_callback(struct pop3_policy_db_result *result,
				    void *context)
{
	struct pop3_policy_loader *loader = context;
	const char *error;

	if (!pop3_policy_loader_check(loader, result))
		return;
	if (pop3_policy_cache_apply(loader->cache, result, &loader->state,
				    &error) < 0) {
		pop3_policy_loader_failed(loader, error);
		return;
	}
	if (!loader->state.all) {
		pop3_policy_loader_loaded(loader);
		return;
	}
	e_debug(loader->cache->event, "Loading all policies: generation %"PRId64,
		loader->state.generation);
	if (loader->names != NULL)
		pop3_policy_cache_names_deinit(&loader->names);
	loader->names = pop3_policy_cache_names_init();
	pop3_policy_loader_ask_names(loader, "");
}

static void
pop3_policy_loader_ask_changes(struct pop3_policy_loader *loader, bool all)
{
	const char *params[] = { NULL, NULL };

	if (!all) {
		params[0] = t_strdup_printf("%"PRId64,
					    loader->state.generation);
		params[1] = t_strdup_printf("%"PRId64,
					    loader->state.history_id);
	}
	loader->changes_sent = pop3_policy_cache_usecs();
	pop3_policy_db_send(loader->db, POP3_POLICY_STMT_POLICY_CHANGES, params,
			    pop3_policy_loader_changes_callback, loader);
	pop3_policy_db_sync(loader->db, NULL, NULL);
}

/* --- the look --- */

static void
pop3_policy_loader_generation_callback(struct pop3_policy_db_result *result,
				       void *context)
{
	struct pop3_policy_loader *loader = context;
	struct pop3_policy_cache *cache = loader->cache;
	const char *source, *number, *changed_by, *now;

	if (!pop3_policy_loader_check(loader, result))
		return;
	source = pop3_policy_db_result_get(result, 0,
					   POP3_POLICY_GENERATION_SOURCE);
	number = pop3_policy_db_result_get(result, 0,
					   POP3_POLICY_GENERATION_NUMBER);
	changed_by = pop3_policy_db_result_get(result, 0,
					POP3_POLICY_GENERATION_CHANGED_BY);
	now = pop3_policy_db_result_get(result, 0, POP3_POLICY_GENERATION_NOW);
	if (source == NULL || now == NULL || number == NULL ||
	    changed_by == NULL) {
		pop3_policy_loader_failed(loader,
			"pop3.generation does not have its row");
		return;
	}
	pop3_policy_state_feed_source(cache->feed, source);
	cache->db_now = strtod(now, NULL);
	cache->db_now_at = pop3_policy_cache_usecs();
	pop3_policy_cache_set_stopped(cache,
		pop3_policy_db_result_get(result, 0,
					  POP3_POLICY_GENERATION_STOPPED));

	if (null_strcmp(loader->source, source) == 0 &&
	    null_strcmp(cache->version, t_strconcat(number, ".", changed_by,
						    NULL)) == 0) {
		pop3_policy_cache_is_right(cache, loader->sent);
		pop3_policy_loader_done(loader);
		return;
	}
	/* logins ask until it is loaded */
	cache->right = FALSE;
	i_free(loader->new_source);
	loader->new_source = i_strdup(source);
	pop3_policy_loader_ask_changes(loader,
		null_strcmp(loader->source, source) != 0);
}

static void pop3_policy_loader_look(struct pop3_policy_loader *loader)
{
	timeout_remove(&loader->to);
	loader->looking = TRUE;
	loader->again = FALSE;
	loader->sent = pop3_policy_cache_usecs();
	pop3_policy_db_send(loader->db, POP3_POLICY_STMT_POLICY_GENERATION, NULL,
			    pop3_policy_loader_generation_callback, loader);
	pop3_policy_state_feed_ask(loader->cache->feed, loader->db);
	pop3_policy_db_sync(loader->db, NULL, NULL);
}

/* --- the connection --- */

void pop3_policy_loader_soon(struct pop3_policy_loader *loader)
{
	loader->again = TRUE;
	if (!loader->looking && pop3_policy_db_is_connected(loader->db))
		pop3_policy_loader_schedule(loader);
}

static void pop3_policy_loader_notified(void *context)
{
	pop3_policy_loader_soon(context);
}

static void pop3_policy_loader_connected(void *context)
{
	struct pop3_policy_loader *loader = context;

	/* through some poolers no notification ever comes: no matter */
	pop3_policy_db_send_sql(loader->db, "LISTEN pop3_policy", 0, NULL, NULL,
				NULL);
	pop3_policy_db_sync(loader->db, NULL, NULL);
	pop3_policy_loader_look(loader);
}

static void
pop3_policy_loader_disconnected(bool was_connected ATTR_UNUSED,
				enum pop3_policy_db_failure failure
				ATTR_UNUSED, const char *error ATTR_UNUSED,
				void *context)
{
	struct pop3_policy_loader *loader = context;

	/* The others complain. What is known is right as of when it was, but
	   there is no telling what the next database knows of it. */
	timeout_remove(&loader->to);
	loader->looking = FALSE;
	i_free(loader->source);
	pop3_policy_state_feed_source(loader->cache->feed, NULL);
}

static const struct pop3_policy_db_vfuncs loader_vfuncs = {
	.connected = pop3_policy_loader_connected,
	.disconnected = pop3_policy_loader_disconnected,
	.notified = pop3_policy_loader_notified,
};

struct pop3_policy_loader *
pop3_policy_loader_init(struct pop3_policy_cache *cache,
			const struct pop3_policy_service_settings *set)
{
	struct pop3_policy_loader *loader;
	struct pop3_policy_db_settings db_set;

	loader = i_new(struct pop3_policy_loader, 1);
	loader->cache = cache;
	i_zero(&db_set);
	db_set.conninfo = set->connect;
	db_set.role = "policies";
	db_set.statement_timeout_msecs =
		I_MAX(set->query_timeout, POP3_POLICY_LOAD_MIN_TIMEOUT_MSECS);
	db_set.lock_timeout_msecs = set->query_timeout;
	db_set.stall_msecs = db_set.statement_timeout_msecs;
	db_set.stmts = load_stmts;
	db_set.stmt_count = N_ELEMENTS(load_stmts);
	loader->db = pop3_policy_db_init(cache->event, &db_set, &loader_vfuncs,
					 loader);
	return loader;
}

void pop3_policy_loader_deinit(struct pop3_policy_loader **_loader)
{
	struct pop3_policy_loader *loader = *_loader;

	*_loader = NULL;
	timeout_remove(&loader->to);
	pop3_policy_db_deinit(&loader->db);
	if (loader->names != NULL)
		pop3_policy_cache_names_deinit(&loader->names);
	i_free(loader->source);
	i_free(loader->new_source);
	i_free(loader);
}
