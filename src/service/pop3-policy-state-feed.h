#ifndef POP3_POLICY_STATE_FEED_H
#define POP3_POLICY_STATE_FEED_H

/* What others do to maildrops: other hosts' services, administrators, plain SQL.
   On the connection that looks at policies, each second, the database is asked for
   whom pop3.maildrop_state() may say something else since the last time; the cache
   of states is told. Nobody is missed: after anything that may have been, all users
   count as changed. It asks even where logins are not answered from memory, since
   whoever asks sees to it that what all have seen is deleted. */

struct pop3_policy_db;
struct pop3_policy_state_cache;
struct pop3_policy_state_feed;

struct pop3_policy_state_feed *
pop3_policy_state_feed_init(struct pop3_policy_state_cache *states);
void pop3_policy_state_feed_deinit(struct pop3_policy_state_feed **feed);

/* Send the question; the caller syncs. */
void pop3_policy_state_feed_ask(struct pop3_policy_state_feed *feed,
				struct pop3_policy_db *db);
/* What the connection leads to, before the answer to a question is there:
   pop3.policy_generation()'s text; NULL if it was lost. */
void pop3_policy_state_feed_source(struct pop3_policy_state_feed *feed,
				   const char *source);
/* TRUE if the states know of everything that was committed more than
   POP3_POLICY_CACHE_MAX_AGE_MSECS ago. */
bool pop3_policy_state_feed_is_fresh(const struct pop3_policy_state_feed *feed);

#endif
