/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-db.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-policy-cache.h"
#include "pop3-policy-state-cache.h"
#include "pop3-policy-state-feed.h"

#include <time.h>

/* What is older is deleted: all who ask have seen it. */
#define POP3_POLICY_FEED_KEEP_USECS (300ULL * 1000 * 1000)
/* Who asked last so long ago may have missed what was deleted. */
#define POP3_POLICY_FEED_MAX_GAP_USECS (60ULL * 1000 * 1000)

struct pop3_policy_state_feed {
	struct pop3_policy_state_cache *states;
	/* of the last answer, when its question was sent; NULL and 0 if
	   changes may be missed since */
	char *seen;
	uint64_t seen_at;
	/* when the question under way was sent */
	uint64_t sent;
	/* where that is; NULL if there is no connection */
	char *source;

	/* transactions from this one on are recent; the next such number, as
	   of then */
	char *forget, *forget_next;
	uint64_t forget_next_at;
};

static uint64_t pop3_policy_state_feed_usecs(void)
{
	struct timespec ts;

	/* goes on while the host sleeps */
	if (clock_gettime(CLOCK_BOOTTIME, &ts) < 0)
		i_fatal("clock_gettime(CLOCK_BOOTTIME) failed: %m");
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct pop3_policy_state_feed *
pop3_policy_state_feed_init(struct pop3_policy_state_cache *states)
{
	struct pop3_policy_state_feed *feed;

	feed = i_new(struct pop3_policy_state_feed, 1);
	feed->states = states;
	return feed;
}

static void pop3_policy_state_feed_reset(struct pop3_policy_state_feed *feed)
{
	i_free(feed->seen);
	feed->seen_at = 0;
	i_free(feed->forget);
	i_free(feed->forget_next);
}

void pop3_policy_state_feed_deinit(struct pop3_policy_state_feed **_feed)
{
	struct pop3_policy_state_feed *feed = *_feed;

	*_feed = NULL;
	pop3_policy_state_feed_reset(feed);
	i_free(feed->source);
	i_free(feed);
}

void pop3_policy_state_feed_source(struct pop3_policy_state_feed *feed,
				   const char *source)
{
	if (null_strcmp(feed->source, source) == 0)
		return;
	i_free(feed->source);
	feed->source = i_strdup(source);
	pop3_policy_state_feed_reset(feed);
}

bool pop3_policy_state_feed_is_fresh(const struct pop3_policy_state_feed *feed)
{
	return feed->seen != NULL &&
		pop3_policy_state_feed_usecs() - feed->seen_at <
		POP3_POLICY_CACHE_MAX_AGE_MSECS * 1000;
}

/* What is to be forgotten at the next question, if anything. */
static void pop3_policy_state_feed_age(struct pop3_policy_state_feed *feed)
{
	if (feed->forget_next != NULL &&
	    feed->seen_at - feed->forget_next_at < POP3_POLICY_FEED_KEEP_USECS)
		return;
	i_free(feed->forget);
	feed->forget = feed->forget_next;
	/* the oldest transaction that was under way */
	feed->forget_next = i_strdup_until(feed->seen,
					   feed->seen + strcspn(feed->seen,
								":"));
	feed->forget_next_at = feed->seen_at;
}

static void pop3_policy_state_feed_touch(struct pop3_policy_state_feed *feed,
					 const char *usernames)
{
	const char *const *names, *error;
	unsigned int i, count;

	if (pop3_policy_array_parse(pool_datastack_create(), usernames, &names,
				    &count, &error) < 0) {
		pop3_policy_state_cache_touch_all(feed->states);
		return;
	}
	for (i = 0; i < count; i++) {
		if (names[i] == NULL)
			pop3_policy_state_cache_touch_all(feed->states);
		else
			pop3_policy_state_cache_touch(feed->states, names[i]);
	}
}

static void
pop3_policy_state_feed_callback(struct pop3_policy_db_result *result,
				void *context)
{
	struct pop3_policy_state_feed *feed = context;
	const char *seen = NULL;

	if (pop3_policy_db_result_status(result) == POP3_POLICY_DB_OK)
		seen = pop3_policy_db_result_get(result, 0, 0);
	if (seen == NULL || feed->source == NULL) {
		pop3_policy_state_feed_reset(feed);
		return;
	}
	if (feed->seen == NULL ||
	    feed->sent - feed->seen_at > POP3_POLICY_FEED_MAX_GAP_USECS) {
		/* what was told before may have changed before this */
		pop3_policy_state_cache_touch_all(feed->states);
	} else T_BEGIN {
		pop3_policy_state_feed_touch(feed,
			pop3_policy_db_result_get(result, 0, 1));
	} T_END;
	i_free(feed->seen);
	feed->seen = i_strdup(seen);
	feed->seen_at = feed->sent;
	pop3_policy_state_feed_age(feed);
}

void pop3_policy_state_feed_ask(struct pop3_policy_state_feed *feed,
				struct pop3_policy_db *db)
{
	const char *params[] = { feed->seen, feed->forget };

	feed->sent = pop3_policy_state_feed_usecs();
	pop3_policy_db_send(db, POP3_POLICY_STMT_MAILDROP_CHANGES, params,
			    pop3_policy_state_feed_callback, feed);
	/* once is enough */
	i_free(feed->forget);
}
