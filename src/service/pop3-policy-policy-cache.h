#ifndef POP3_POLICY_POLICY_CACHE_H
#define POP3_POLICY_POLICY_CACHE_H

#include "pop3-policy-db.h"

/* The site's policies, so that a login needs not ask for its user's.

   Held are the rows of the site and of all domains, all presets, which users
   have a row of their own, and those of these rows that were asked for. On a
   connection of its own the database is asked each second for pop3.generation,
   which every change of a policy moves on, and whether removals by policy are
   stopped. What has changed is loaded; everything is, after the connection was
   lost, or where the generation went back or what changed cannot be told. A
   notification only makes it ask sooner.

   What is decided by a policy in the database is told by what the policy was
   known, and refused if that has changed since: see pop3_policy_cache_known().

   The cache is fresh if it held what the database had less than
   POP3_POLICY_CACHE_MAX_AGE_MSECS ago; else it is stale, and the database has
   to be asked for a user's policy as if there were no cache. */

struct pop3_policy;
struct pop3_policy_cache;
struct pop3_policy_pool;
struct pop3_policy_service_settings;
struct pop3_policy_state_feed;

/* So soon does a change hold. */
#define POP3_POLICY_CACHE_MAX_AGE_MSECS 2000

/* The pool is told whether removals by policy are stopped. The feed asks on the
   same connection. */
struct pop3_policy_cache *
pop3_policy_cache_init(struct event *event_parent,
		       const struct pop3_policy_service_settings *set,
		       struct pop3_policy_pool *pool,
		       struct pop3_policy_state_feed *feed);
void pop3_policy_cache_deinit(struct pop3_policy_cache **cache);

/* The policy of a user, as of less than POP3_POLICY_CACHE_MAX_AGE_MSECS ago.
   *version_r is what pop3.policy_version() gave then, *stopped_r what removals
   by policy are stopped by ("paused" or "breaker", NULL if they are not).
   Everything is allocated from the pool. Returns 1 if it is known, 0 if the
   database has to be asked since the user's own row has not been yet, -1 if it
   has to be asked since the cache is stale. */
int pop3_policy_cache_lookup(struct pop3_policy_cache *cache, pool_t pool,
			     const char *username,
			     struct pop3_policy *policy_r,
			     const char **version_r, const char **stopped_r);
/* By what pop3.policies_known() knows what _lookup() gave: functions that are
   told so say whether that is still in force. Allocated from the data stack. */
const char *pop3_policy_cache_known(const struct pop3_policy_cache *cache);
/* The database said that it is not: look soon. */
void pop3_policy_cache_look(struct pop3_policy_cache *cache);
/* The same, however old it is, for while the database cannot be asked.
   *age_msecs_r is milliseconds since the cache was known to be right. Returns 1
   if the policy is known, 0 if not: nothing was ever loaded, or the user has a
   row of its own that has not been asked for. */
int pop3_policy_cache_lookup_last(struct pop3_policy_cache *cache, pool_t pool,
				  const char *username,
				  struct pop3_policy *policy_r,
				  const char **version_r,
				  const char **stopped_r,
				  unsigned int *age_msecs_r);

/* Before POP3_POLICY_STMT_POLICY_ROWS is sent: to be given to _learn(). */
unsigned int pop3_policy_cache_mark(const struct pop3_policy_cache *cache);
/* What the database answered for the user: the user's own row is remembered,
   unless something may have changed since the question was sent. */
void pop3_policy_cache_learn(struct pop3_policy_cache *cache,
			     unsigned int mark, const char *username,
			     const struct pop3_policy_db_result *result);

/* The database said by what removals by policy are stopped, NULL if they are
   not. Tells the pool. */
void pop3_policy_cache_set_stopped(struct pop3_policy_cache *cache,
				   const char *stopped);

struct pop3_policy_cache_clock {
	/* the database's time, seconds since 1970: never ahead of it while
	   both clocks run evenly, behind by no more than one answer took */
	double now;
	/* what the database's clock is ahead of this host's, seconds */
	double ahead;
	/* milliseconds since the database told its time last */
	unsigned int age_msecs;
};
/* Returns FALSE if the database never told its time. A step of this host's
   clock does not change `now'. */
bool pop3_policy_cache_clock(const struct pop3_policy_cache *cache,
			     struct pop3_policy_cache_clock *clock_r);

#endif
