/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-writer.h"

#define POP3_POLICY_IMAP_USE_SECS 3600
/* All are forgotten then; some are written once more. */
#define POP3_POLICY_IMAP_USE_MAX_USERS 100000

struct pop3_policy_imap_use {
	struct pop3_policy_writer *writer;
	pool_t pool;
	/* users, and that they were seen */
	HASH_TABLE(char *, void *) seen;
	time_t since;
};

static void pop3_policy_imap_use_forget(struct pop3_policy_imap_use *use)
{
	hash_table_clear(use->seen, TRUE);
	p_clear(use->pool);
	use->since = ioloop_time;
}

struct pop3_policy_imap_use *
pop3_policy_imap_use_init(struct pop3_policy_writer *writer)
{
	struct pop3_policy_imap_use *use;

	use = i_new(struct pop3_policy_imap_use, 1);
	use->writer = writer;
	use->pool = pool_alloconly_create("pop3 policy imap users", 4096);
	hash_table_create(&use->seen, default_pool, 0, str_hash, strcmp);
	use->since = ioloop_time;
	return use;
}

void pop3_policy_imap_use_deinit(struct pop3_policy_imap_use **_use)
{
	struct pop3_policy_imap_use *use = *_use;

	*_use = NULL;
	hash_table_destroy(&use->seen);
	pool_unref(&use->pool);
	i_free(use);
}

void pop3_policy_imap_use_note(struct pop3_policy_imap_use *use,
			       const char *user)
{
	struct pop3_policy_record *record;
	string_t *users;

	if (ioloop_time - use->since >= POP3_POLICY_IMAP_USE_SECS ||
	    hash_table_count(use->seen) >= POP3_POLICY_IMAP_USE_MAX_USERS)
		pop3_policy_imap_use_forget(use);
	if (hash_table_lookup(use->seen, user) != NULL)
		return;
	hash_table_insert(use->seen, p_strdup(use->pool, user),
			  POINTER_CAST(1));

	users = pop3_policy_array_begin();
	pop3_policy_array_add_text(users, user);
	record = pop3_policy_record_create(POP3_POLICY_RECORD_IMAP_USE, user,
					   0);
	pop3_policy_record_add(record, pop3_policy_array_end(users));
	pop3_policy_writer_add(use->writer, record);
}
