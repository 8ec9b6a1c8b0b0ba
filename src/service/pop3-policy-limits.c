/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "llist.h"
#include "pop3-policy-limits.h"

#define POP3_POLICY_LIMITS_MAX_USERS 100000

/* Users of one domain mostly have the same policy: they share it. */
struct pop3_policy_limits_policy {
	int refcount;
	char *text;
};

struct pop3_policy_limits_user {
	struct pop3_policy_limits_user *prev, *next;
	char *name;
	struct pop3_policy_limits_policy *policy;
	unsigned int told;
};

struct pop3_policy_limits {
	HASH_TABLE(char *, struct pop3_policy_limits_user *) users;
	HASH_TABLE(char *, struct pop3_policy_limits_policy *) policies;
	/* the least recently used one first */
	struct pop3_policy_limits_user *head, *tail;
	/* what the database's clock is ahead, seconds */
	double ahead;
};

struct pop3_policy_limits *pop3_policy_limits_init(void)
{
	struct pop3_policy_limits *limits;

	limits = i_new(struct pop3_policy_limits, 1);
	hash_table_create(&limits->users, default_pool, 0, str_hash, strcmp);
	hash_table_create(&limits->policies, default_pool, 0, str_hash,
			  strcmp);
	return limits;
}

static void
pop3_policy_limits_policy_unref(struct pop3_policy_limits *limits,
				struct pop3_policy_limits_policy *policy)
{
	i_assert(policy->refcount > 0);
	if (--policy->refcount > 0)
		return;
	hash_table_remove(limits->policies, policy->text);
	i_free(policy->text);
	i_free(policy);
}

static struct pop3_policy_limits_policy *
pop3_policy_limits_policy_get(struct pop3_policy_limits *limits,
			      const char *text)
{
	struct pop3_policy_limits_policy *policy;

	policy = hash_table_lookup(limits->policies, text);
	if (policy == NULL) {
		policy = i_new(struct pop3_policy_limits_policy, 1);
		policy->text = i_strdup(text);
		hash_table_insert(limits->policies, policy->text, policy);
	}
	policy->refcount++;
	return policy;
}

static void pop3_policy_limits_forget(struct pop3_policy_limits *limits,
				      struct pop3_policy_limits_user *user)
{
	DLLIST2_REMOVE(&limits->head, &limits->tail, user);
	hash_table_remove(limits->users, user->name);
	pop3_policy_limits_policy_unref(limits, user->policy);
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
	hash_table_destroy(&limits->policies);
	i_free(limits);
}

static double pop3_policy_limits_clock(void)
{
	return (double)ioloop_timeval.tv_sec +
		(double)ioloop_timeval.tv_usec / 1000000;
}

void pop3_policy_limits_remember(struct pop3_policy_limits *limits,
				 const char *name, const char *text,
				 const char *now)
{
	struct pop3_policy_limits_user *user;
	struct pop3_policy_limits_policy *policy;

	limits->ahead = strtod(now, NULL) - pop3_policy_limits_clock();
	policy = pop3_policy_limits_policy_get(limits, text);
	user = hash_table_lookup(limits->users, name);
	if (user != NULL) {
		pop3_policy_limits_policy_unref(limits, user->policy);
		DLLIST2_REMOVE(&limits->head, &limits->tail, user);
	} else {
		if (hash_table_count(limits->users) >=
		    POP3_POLICY_LIMITS_MAX_USERS)
			pop3_policy_limits_forget(limits, limits->head);
		user = i_new(struct pop3_policy_limits_user, 1);
		user->name = i_strdup(name);
		hash_table_insert(limits->users, user->name, user);
	}
	user->policy = policy;
	DLLIST2_APPEND(&limits->head, &limits->tail, user);
}

void pop3_policy_limits_told(struct pop3_policy_limits *limits,
			     const char *name, unsigned int level)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);

	if (user != NULL)
		user->told = level;
}

void pop3_policy_limits_lower_told(struct pop3_policy_limits *limits,
				   const char *name, unsigned int level)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);

	if (user != NULL && user->told > level)
		user->told = level;
}

bool pop3_policy_limits_find(struct pop3_policy_limits *limits,
			     const char *name,
			     struct pop3_policy_known_limits *known_r)
{
	struct pop3_policy_limits_user *user =
		hash_table_lookup(limits->users, name);

	if (user == NULL)
		return FALSE;
	/* the next to be forgotten is another one */
	DLLIST2_REMOVE(&limits->head, &limits->tail, user);
	DLLIST2_APPEND(&limits->head, &limits->tail, user);
	known_r->now = t_strdup_printf("%.6f", pop3_policy_limits_clock() +
				       limits->ahead);
	known_r->policy = user->policy->text;
	known_r->told = user->told;
	return TRUE;
}
