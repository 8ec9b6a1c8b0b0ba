/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer.h"

#define POP3_POLICY_IMAP_USE_SECS 3600
/* All are forgotten then; some are written once more. */
#define POP3_POLICY_IMAP_USE_MAX_USERS 100000
/* After the database was away: so many users each time. */
#define POP3_POLICY_IMAP_USE_TICK_MSECS 100
#define POP3_POLICY_IMAP_USE_TICK_USERS 200
/* Users in one record, at the end of the process. */
#define POP3_POLICY_IMAP_USE_CHUNK 1000

struct pop3_policy_imap_user {
	char *name;
	/* not handed to the writer yet */
	bool kept;
};

struct pop3_policy_imap_use {
	struct pop3_policy_writer *writer;
	struct pop3_policy_pool *db_pool;
	pool_t pool;
	HASH_TABLE(char *, struct pop3_policy_imap_user *) seen;
	time_t since;

	/* users that were kept, oldest first; some may not be any more */
	ARRAY(struct pop3_policy_imap_user *) kept;
	unsigned int next;
	struct timeout *to;
};

struct pop3_policy_imap_use *
pop3_policy_imap_use_init(struct pop3_policy_writer *writer,
			  struct pop3_policy_pool *pool)
{
	struct pop3_policy_imap_use *use;

	use = i_new(struct pop3_policy_imap_use, 1);
	use->writer = writer;
	use->db_pool = pool;
	use->pool = pool_alloconly_create("pop3 policy imap users", 4096);
	hash_table_create(&use->seen, default_pool, 0, str_hash, strcmp);
	i_array_init(&use->kept, 16);
	use->since = ioloop_time;
	return use;
}

void pop3_policy_imap_use_deinit(struct pop3_policy_imap_use **_use)
{
	struct pop3_policy_imap_use *use = *_use;

	*_use = NULL;
	pop3_policy_imap_use_flush(use);
	hash_table_destroy(&use->seen);
	array_free(&use->kept);
	pool_unref(&use->pool);
	i_free(use);
}

static void pop3_policy_imap_use_forget(struct pop3_policy_imap_use *use)
{
	hash_table_clear(use->seen, TRUE);
	p_clear(use->pool);
	use->since = ioloop_time;
}

/* --- writing --- */

static void
pop3_policy_imap_use_add(struct pop3_policy_imap_use *use,
			 const char *username, string_t *users)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_IMAP_USE,
					   username, 0);
	pop3_policy_record_add(record, pop3_policy_array_end(users));
	pop3_policy_writer_add(use->writer, record);
}

/* A record of its own, for which the user's next login waits. */
static void pop3_policy_imap_use_write(struct pop3_policy_imap_use *use,
				       struct pop3_policy_imap_user *user)
{
	string_t *users;

	user->kept = FALSE;
	T_BEGIN {
		users = pop3_policy_array_begin();
		pop3_policy_array_add_text(users, user->name);
		pop3_policy_imap_use_add(use, user->name, users);
	} T_END;
}

/* The next one that is still kept, NULL if there is none. */
static struct pop3_policy_imap_user *
pop3_policy_imap_use_next(struct pop3_policy_imap_use *use)
{
	struct pop3_policy_imap_user *user;

	while (use->next < array_count(&use->kept)) {
		user = array_idx_elem(&use->kept, use->next++);
		if (user->kept)
			return user;
	}
	array_clear(&use->kept);
	use->next = 0;
	timeout_remove(&use->to);
	return NULL;
}

static void pop3_policy_imap_use_tick(struct pop3_policy_imap_use *use)
{
	struct pop3_policy_imap_user *user;
	unsigned int i;

	if (!pop3_policy_pool_is_ready(use->db_pool))
		return;
	for (i = 0; i < POP3_POLICY_IMAP_USE_TICK_USERS; i++) {
		user = pop3_policy_imap_use_next(use);
		if (user == NULL)
			break;
		pop3_policy_imap_use_write(use, user);
	}
}

static void pop3_policy_imap_use_keep(struct pop3_policy_imap_use *use,
				      struct pop3_policy_imap_user *user)
{
	user->kept = TRUE;
	array_push_back(&use->kept, &user);
	if (use->to == NULL) {
		use->to = timeout_add_short(POP3_POLICY_IMAP_USE_TICK_MSECS,
					    pop3_policy_imap_use_tick, use);
	}
}

/* --- users --- */

void pop3_policy_imap_use_note(struct pop3_policy_imap_use *use,
			       const char *name)
{
	struct pop3_policy_imap_user *user;

	if (array_count(&use->kept) == 0 &&
	    (ioloop_time - use->since >= POP3_POLICY_IMAP_USE_SECS ||
	     hash_table_count(use->seen) >= POP3_POLICY_IMAP_USE_MAX_USERS))
		pop3_policy_imap_use_forget(use);
	if (hash_table_lookup(use->seen, name) != NULL)
		return;
	user = p_new(use->pool, struct pop3_policy_imap_user, 1);
	user->name = p_strdup(use->pool, name);
	hash_table_insert(use->seen, user->name, user);

	if (pop3_policy_pool_is_ready(use->db_pool))
		pop3_policy_imap_use_write(use, user);
	else
		pop3_policy_imap_use_keep(use, user);
}

void pop3_policy_imap_use_flush_user(struct pop3_policy_imap_use *use,
				     const char *name)
{
	struct pop3_policy_imap_user *user;

	user = hash_table_lookup(use->seen, name);
	if (user != NULL && user->kept)
		pop3_policy_imap_use_write(use, user);
}

void pop3_policy_imap_use_flush(struct pop3_policy_imap_use *use)
{
	struct pop3_policy_imap_user *user;
	string_t *users;
	unsigned int count;

	do T_BEGIN {
		users = pop3_policy_array_begin();
		count = 0;
		while (count < POP3_POLICY_IMAP_USE_CHUNK &&
		       (user = pop3_policy_imap_use_next(use)) != NULL) {
			user->kept = FALSE;
			pop3_policy_array_add_text(users, user->name);
			count++;
		}
		if (count > 0)
			pop3_policy_imap_use_add(use, NULL, users);
	} T_END; while (count > 0);
}
