/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-usage.h"
#include "pop3-policy-writer.h"

/* Users; when there are more they are written at once. */
#define POP3_POLICY_USAGE_MAX_USERS 100000
/* Users in one record. */
#define POP3_POLICY_USAGE_CHUNK 1000

struct pop3_policy_usage_user {
	char *name;
	struct pop3_policy_usage_data data;
	/* since it was written last */
	unsigned int lowest_level;
};

struct pop3_policy_usage {
	struct pop3_policy_writer *writer;
	struct pop3_policy_pool *db_pool;
	struct timeout *to;
	HASH_TABLE(char *, struct pop3_policy_usage_user *) users;
};

/* The parameters of pop3.record_usage(). */
struct pop3_policy_usage_arrays {
	string_t *users, *bytes, *messages, *storage_limits, *message_limits;
	string_t *levels, *lowest_levels;
	unsigned int count;
};

static void pop3_policy_usage_tick(struct pop3_policy_usage *usage)
{
	/* while it is away they stay here, one of each user */
	if (pop3_policy_pool_is_ready(usage->db_pool))
		pop3_policy_usage_flush(usage);
}

struct pop3_policy_usage *
pop3_policy_usage_init(struct pop3_policy_writer *writer,
		       struct pop3_policy_pool *pool, unsigned int interval)
{
	struct pop3_policy_usage *usage;

	usage = i_new(struct pop3_policy_usage, 1);
	usage->writer = writer;
	usage->db_pool = pool;
	hash_table_create(&usage->users, default_pool, 0, str_hash, strcmp);
	usage->to = timeout_add_short(interval * 1000, pop3_policy_usage_tick,
				      usage);
	return usage;
}

void pop3_policy_usage_deinit(struct pop3_policy_usage **_usage)
{
	struct pop3_policy_usage *usage = *_usage;

	*_usage = NULL;
	pop3_policy_usage_flush(usage);
	timeout_remove(&usage->to);
	hash_table_destroy(&usage->users);
	i_free(usage);
}

/* --- writing --- */

static void
pop3_policy_usage_arrays_init(struct pop3_policy_usage_arrays *arrays)
{
	arrays->users = pop3_policy_array_begin();
	arrays->bytes = pop3_policy_array_begin();
	arrays->messages = pop3_policy_array_begin();
	arrays->storage_limits = pop3_policy_array_begin();
	arrays->message_limits = pop3_policy_array_begin();
	arrays->levels = pop3_policy_array_begin();
	arrays->lowest_levels = pop3_policy_array_begin();
	arrays->count = 0;
}

static void pop3_policy_usage_add_limit(string_t *array, int64_t limit)
{
	if (limit < 0)
		pop3_policy_array_add_text(array, NULL);
	else
		pop3_policy_array_add_num(array, limit);
}

static void
pop3_policy_usage_arrays_add(struct pop3_policy_usage_arrays *arrays,
			     const struct pop3_policy_usage_user *user)
{
	const struct pop3_policy_usage_data *data = &user->data;

	pop3_policy_array_add_text(arrays->users, user->name);
	pop3_policy_array_add_num(arrays->bytes, data->bytes);
	pop3_policy_array_add_num(arrays->messages, data->messages);
	pop3_policy_usage_add_limit(arrays->storage_limits,
				    data->storage_limit);
	pop3_policy_usage_add_limit(arrays->message_limits,
				    data->message_limit);
	pop3_policy_array_add_num(arrays->levels, data->level);
	pop3_policy_array_add_num(arrays->lowest_levels, user->lowest_level);
	arrays->count++;
}

static void
pop3_policy_usage_arrays_write(struct pop3_policy_usage *usage,
			       const char *username,
			       struct pop3_policy_usage_arrays *arrays)
{
	string_t *const params[] = {
		arrays->users, arrays->bytes, arrays->messages,
		arrays->storage_limits, arrays->message_limits,
		arrays->levels, arrays->lowest_levels
	};
	struct pop3_policy_record *record;
	unsigned int i;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_USAGE, username,
					   0);
	record->drop = POP3_POLICY_DROP_FIRST;
	for (i = 0; i < N_ELEMENTS(params); i++) {
		pop3_policy_record_add(record,
				       pop3_policy_array_end(params[i]));
	}
	pop3_policy_writer_add(usage->writer, record);
}

static void pop3_policy_usage_user_free(struct pop3_policy_usage_user *user)
{
	i_free(user->name);
	i_free(user);
}

void pop3_policy_usage_flush(struct pop3_policy_usage *usage)
{
	struct pop3_policy_usage_arrays arrays;
	struct pop3_policy_usage_user *user;
	struct hash_iterate_context *iter;
	bool more;
	char *name;

	if (hash_table_count(usage->users) == 0)
		return;
	iter = hash_table_iterate_init(usage->users);
	do T_BEGIN {
		pop3_policy_usage_arrays_init(&arrays);
		more = FALSE;
		while (hash_table_iterate(iter, usage->users, &name, &user)) {
			pop3_policy_usage_arrays_add(&arrays, user);
			if (arrays.count == POP3_POLICY_USAGE_CHUNK) {
				more = TRUE;
				break;
			}
		}
		if (arrays.count > 0)
			pop3_policy_usage_arrays_write(usage, NULL, &arrays);
	} T_END; while (more);
	hash_table_iterate_deinit(&iter);

	iter = hash_table_iterate_init(usage->users);
	while (hash_table_iterate(iter, usage->users, &name, &user))
		pop3_policy_usage_user_free(user);
	hash_table_iterate_deinit(&iter);
	hash_table_clear(usage->users, FALSE);
}

void pop3_policy_usage_flush_user(struct pop3_policy_usage *usage,
				  const char *name)
{
	struct pop3_policy_usage_user *user =
		hash_table_lookup(usage->users, name);
	struct pop3_policy_usage_arrays arrays;

	if (user == NULL)
		return;
	T_BEGIN {
		pop3_policy_usage_arrays_init(&arrays);
		pop3_policy_usage_arrays_add(&arrays, user);
		pop3_policy_usage_arrays_write(usage, user->name, &arrays);
	} T_END;
	hash_table_remove(usage->users, user->name);
	pop3_policy_usage_user_free(user);
}

/* --- users --- */

void pop3_policy_usage_set(struct pop3_policy_usage *usage, const char *name,
			   const struct pop3_policy_usage_data *data)
{
	struct pop3_policy_usage_user *user =
		hash_table_lookup(usage->users, name);

	if (user == NULL) {
		if (hash_table_count(usage->users) >=
		    POP3_POLICY_USAGE_MAX_USERS)
			pop3_policy_usage_flush(usage);
		user = i_new(struct pop3_policy_usage_user, 1);
		user->name = i_strdup(name);
		user->lowest_level = data->level;
		hash_table_insert(usage->users, user->name, user);
	}
	user->data = *data;
	user->lowest_level = I_MIN(user->lowest_level, data->level);
}

unsigned int pop3_policy_usage_lowest_level(struct pop3_policy_usage *usage,
					    const char *name)
{
	const struct pop3_policy_usage_user *user =
		hash_table_lookup(usage->users, name);

	return user == NULL ? UINT_MAX : user->lowest_level;
}
