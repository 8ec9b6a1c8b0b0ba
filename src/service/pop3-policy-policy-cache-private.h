#ifndef POP3_POLICY_POLICY_CACHE_PRIVATE_H
#define POP3_POLICY_POLICY_CACHE_PRIVATE_H

/* For pop3-policy-policy-cache.c (what is known), pop3-policy-policy-load.c
   (loading it), pop3-policy-policy-row.c (rows, small) and
   pop3-policy-policy-names.c (names, smaller). */

#include "hash.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-policy-cache.h"

#include <time.h>

/* --- pop3-policy-policy-row.c --- */

struct pop3_policy_cache_row;

struct pop3_policy_cache_preset {
	char *name;
	/* NULL if there is no such preset any more: rows may still point
	   here */
	struct pop3_policy_cache_row *row;
};

/* values is the text of an array of all parameters' values. preset may be NULL.
   What the engine does not allow makes the row unusable: who needs it has to
   ask the database, and will be told. */
struct pop3_policy_cache_row *
pop3_policy_cache_row_create(const char *version, const char *values,
			     struct pop3_policy_cache_preset *preset);
void pop3_policy_cache_row_free(struct pop3_policy_cache_row **row);
int64_t
pop3_policy_cache_row_version(const struct pop3_policy_cache_row *row);
struct pop3_policy_cache_preset *
pop3_policy_cache_row_preset(const struct pop3_policy_cache_row *row);
/* Strings are allocated from the pool. */
/* Strings are allocated from the pool. Returns FALSE if it is unusable. */
bool pop3_policy_cache_row_get(const struct pop3_policy_cache_row *row,
			       pool_t pool, struct pop3_policy_row *row_r);

/* --- pop3-policy-policy-names.c --- */

/* A set of names of which only hashes are kept: it may say of a name that it is
   there though it is not, hardly ever, but not the other way round. */
struct pop3_policy_cache_names;

struct pop3_policy_cache_names *pop3_policy_cache_names_init(void);
void pop3_policy_cache_names_deinit(struct pop3_policy_cache_names **names);
void pop3_policy_cache_names_add(struct pop3_policy_cache_names *names,
				 const char *name, size_t len);
bool pop3_policy_cache_names_has(const struct pop3_policy_cache_names *names,
				 const char *name);

/* --- pop3-policy-policy-cache.c --- */

struct pop3_policy_cache_user {
	struct pop3_policy_cache_user *prev, *next;
	/* of the cache's loading; another one means that it has to be asked
	   for again */
	unsigned int loaded;
	/* NULL if there is none */
	struct pop3_policy_cache_row *row;
	/* behind the struct */
	char *name;
};

struct pop3_policy_cache {
	struct event *event;
	struct pop3_policy_pool *pool;
	struct pop3_policy_loader *loader;
	struct pop3_policy_state_feed *feed;

	/* everything was loaded ever */
	bool known;
	/* it was what the database had at right_at, by
	   pop3_policy_cache_usecs(); FALSE while it is loaded anew */
	bool right;
	uint64_t right_at;
	/* generation and transaction of what it holds, as
	   pop3.policies_known() writes them; NULL before it holds anything */
	char *version;
	/* moves on with every change */
	unsigned int changes;
	/* moves on when everything is loaded anew */
	unsigned int loaded;

	struct pop3_policy_cache_row *site;
	HASH_TABLE(char *, struct pop3_policy_cache_row *) domains;
	HASH_TABLE(char *, struct pop3_policy_cache_preset *) presets;
	/* who has a row, and may have had one */
	struct pop3_policy_cache_names *names;
	/* rows of those, the least recently used first */
	HASH_TABLE(char *, struct pop3_policy_cache_user *) users;
	struct pop3_policy_cache_user *head, *tail;
	/* NULL while removals by policy go on */
	char *stopped;

	/* the database's clock, when that was heard; 0 if never */
	double db_now;
	uint64_t db_now_at;
};

/* Microseconds of a clock that nobody sets. */
static inline uint64_t pop3_policy_cache_usecs(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		i_fatal("clock_gettime(CLOCK_MONOTONIC) failed: %m");
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct pop3_policy_cache_state {
	int64_t generation, history_id;
	/* everything was loaded, but the names of users with a row */
	bool all;
};
/* Take over what pop3.policy_changes() gave. Returns 0 if ok, -1 + *error_r if
   it cannot be understood. */
int pop3_policy_cache_apply(struct pop3_policy_cache *cache,
			    const struct pop3_policy_db_result *result,
			    struct pop3_policy_cache_state *state_r,
			    const char **error_r);
/* After everything was loaded: users with a row. Takes over the set. */
void pop3_policy_cache_set_names(struct pop3_policy_cache *cache,
				 struct pop3_policy_cache_names **names);
/* It is what the database had then. */
void pop3_policy_cache_is_right(struct pop3_policy_cache *cache,
				uint64_t usecs);

/* --- pop3-policy-policy-load.c --- */

void pop3_policy_loader_soon(struct pop3_policy_loader *loader);
struct pop3_policy_loader *
pop3_policy_loader_init(struct pop3_policy_cache *cache,
			const struct pop3_policy_service_settings *set);
void pop3_policy_loader_deinit(struct pop3_policy_loader **loader);

#endif
