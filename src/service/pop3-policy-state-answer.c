/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Answers to logins as they were told, so that they can be told again without
   asking. Two things end that: somebody may have changed the maildrops, which
   _touch() is told of, or a time has come at which the database would say
   something else. */

#include "lib.h"
#include "pop3-policy-state-cache-private.h"

/* Longer ones are not worth their memory. */
#define POP3_POLICY_ANSWER_MAX_SIZE 4096
/* So often the database is asked all the same. */
#define POP3_POLICY_ANSWER_MAX_SECS (24 * 3600)

void pop3_policy_state_cache_touch(struct pop3_policy_state_cache *cache,
				   const char *username)
{
	struct pop3_policy_state_user *user =
		hash_table_lookup(cache->users, username);

	if (user != NULL) {
		user->touched = ++cache->serial;
		i_free(user->kept);
	}
}

void pop3_policy_state_cache_touch_all(struct pop3_policy_state_cache *cache)
{
	cache->touched_all = ++cache->serial;
}

void pop3_policy_state_cache_keep(struct pop3_policy_state_cache *cache,
				  struct pop3_policy_state_user *user,
				  const struct pop3_policy_state_mark *mark,
				  const struct pop3_policy_state_answer *answer)
{
	struct pop3_policy_state_kept *kept;
	size_t version_size, items_size;
	char *text;

	i_free(user->kept);
	if (answer == NULL || user->touched != mark->touched ||
	    cache->touched_all != mark->touched_all)
		return;
	version_size = strlen(answer->version) + 1;
	items_size = strlen(answer->items) + 1;
	if (items_size > POP3_POLICY_ANSWER_MAX_SIZE)
		return;
	kept = i_malloc(MALLOC_ADD(sizeof(*kept),
				   MALLOC_ADD(version_size, items_size)));
	text = (char *)(kept + 1);
	memcpy(text, answer->version, version_size);
	memcpy(text + version_size, answer->items, items_size);
	kept->touched_all = mark->touched_all;
	kept->learned = pop3_policy_state_cache_time();
	kept->answer = *answer;
	kept->answer.version = text;
	kept->answer.items = text + version_size;
	user->kept = kept;
}

const struct pop3_policy_state_answer *
pop3_policy_state_cache_answer(struct pop3_policy_state_cache *cache,
			       const char *username, const char *version,
			       double now,
			       const struct pop3_policy_state_user **user_r)
{
	struct pop3_policy_state_user *user =
		pop3_policy_state_cache_use(cache, username);
	const struct pop3_policy_state_kept *kept =
		user == NULL ? NULL : user->kept;
	time_t time = pop3_policy_state_cache_time();

	if (kept == NULL || kept->touched_all != cache->touched_all ||
	    now >= kept->answer.until ||
	    time - kept->learned >= POP3_POLICY_ANSWER_MAX_SECS ||
	    strcmp(kept->answer.version, version) != 0)
		return NULL;
	/* the same is known for while the database cannot be asked */
	user->learned = time;
	*user_r = user;
	return &kept->answer;
}
