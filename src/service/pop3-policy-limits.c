/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "llist.h"
#include "str.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-policy-cache.h"
#include "pop3-policy-user-policy.h"

#define POP3_POLICY_LIMITS_MAX_USERS 100000

/* Only of those who were told of something. */
struct pop3_policy_limits_user {
	struct pop3_policy_limits_user *prev, *next;
	char *name;
	unsigned int told;
};

struct pop3_policy_limits {
	struct pop3_policy_cache *policies;
	HASH_TABLE(char *, struct pop3_policy_limits_user *) users;
	/* the least recently used one first */
	struct pop3_policy_limits_user *head, *tail;
};

struct pop3_policy_limits *
pop3_policy_limits_init(struct pop3_policy_cache *policies)
{
	struct pop3_policy_limits *limits;

	limits = i_new(struct pop3_policy_limits, 1);
	limits->policies = policies;
	hash_table_create(&limits->users, default_pool, 0, str_hash, strcmp);
	return limits;
}

static void pop3_policy_limits_forget(struct pop3_policy_limits *limits,
				      struct pop3_policy_limits_user *user)
{
	DLLIST2_REMOVE(&limits->head, &limits->tail, user);
	hash_table_remove(limits->users, user->name);
	i_free(user->name);
	i_free(user);
}

void pop3_policy_limits_deinit(struct pop3_policy_limits **_limits)
{
	struct pop3_policy_limits *limits = *_limits;

	*_limits = NULL;
	while (limits->head != NULL)
		pop3_policy_limits_forget(limits, limits->head);
	hash_table_destroy(&limits->users);
	i_free(limits);
}

void pop3_policy_limits_told(struct pop3_policy_limits *limits,
			     const char *name, unsigned int level)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);

	if (user == NULL && level > 0) {
		if (hash_table_count(limits->users) >=
		    POP3_POLICY_LIMITS_MAX_USERS)
			pop3_policy_limits_forget(limits, limits->head);
		user = i_new(struct pop3_policy_limits_user, 1);
		user->name = i_strdup(name);
		hash_table_insert(limits->users, user->name, user);
		DLLIST2_APPEND(&limits->head, &limits->tail, user);
	}
	if (user != NULL)
		user->told = level;
	if (user != NULL && level == 0)
		pop3_policy_limits_forget(limits, user);
}

void pop3_policy_limits_lower_told(struct pop3_policy_limits *limits,
				   const char *name, unsigned int level)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);

	if (user != NULL && user->told > level)
		pop3_policy_limits_told(limits, name, level);
}

bool pop3_policy_limits_find(struct pop3_policy_limits *limits,
			     const char *name,
			     struct pop3_policy_known_limits *known_r)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);
	struct pop3_policy_cache_clock clock;
	struct pop3_policy policy;
	const char *version, *stopped;
	unsigned int age;
	string_t *str = t_str_new(1024);

	if (pop3_policy_cache_lookup_last(limits->policies,
					  pool_datastack_create(), name,
					  &policy, &version, &stopped,
					  &age) == 0 ||
	    !pop3_policy_cache_clock(limits->policies, &clock))
		return FALSE;
	pop3_policy_user_policy_write(str, version, &policy);
	known_r->policy = str_c(str);
	known_r->now = t_strdup_printf("%.6f", clock.now);
	known_r->told = 0;
	if (user != NULL) {
		/* the next to be forgotten is another one */
		DLLIST2_REMOVE(&limits->head, &limits->tail, user);
		DLLIST2_APPEND(&limits->head, &limits->tail, user);
		known_r->told = user->told;
	}
	return TRUE;
}
