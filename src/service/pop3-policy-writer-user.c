/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "llist.h"
#include "pop3-policy-state-cache.h"
#include "pop3-policy-writer-private.h"

struct pop3_policy_writer_waiter {
	struct pop3_policy_writer_waiter *prev, *next;
	struct pop3_policy_writer_user *user;
	/* records up to this one are waited for, and how many are left */
	uint64_t last_id;
	unsigned int left;
	pop3_policy_writer_callback_t *callback;
	void *context;
};

void pop3_policy_writer_user_add(struct pop3_policy_writer *writer,
				 struct pop3_policy_record *record)
{
	struct pop3_policy_writer_user *user;

	if (record->username == NULL)
		return;
	if (pop3_policy_record_info(record->kind)->state)
		pop3_policy_state_cache_touch(writer->states, record->username);
	user = hash_table_lookup(writer->users, record->username);
	if (user == NULL) {
		user = i_new(struct pop3_policy_writer_user, 1);
		user->name = i_strdup(record->username);
		hash_table_insert(writer->users, user->name, user);
	}
	user->pending++;
	record->user = user;
}

void pop3_policy_writer_user_settled(struct pop3_policy_writer *writer,
				     struct pop3_policy_record *record)
{
	struct pop3_policy_writer_user *user = record->user;
	struct pop3_policy_writer_waiter *waiter, *next;
	struct pop3_policy_writer_waiter *due_head = NULL, *due_tail = NULL;

	if (user == NULL)
		return;
	record->user = NULL;
	i_assert(user->pending > 0);
	user->pending--;

	for (waiter = user->waiters_head; waiter != NULL; waiter = next) {
		next = waiter->next;
		if (record->id > waiter->last_id || --waiter->left > 0)
			continue;
		DLLIST2_REMOVE(&user->waiters_head, &user->waiters_tail,
			       waiter);
		waiter->user = NULL;
		DLLIST2_APPEND(&due_head, &due_tail, waiter);
	}
	if (user->pending == 0) {
		i_assert(user->waiters_head == NULL);
		hash_table_remove(writer->users, user->name);
		i_free(user->name);
		i_free(user);
	}
	/* callbacks last: they may queue records and wait again */
	while (due_head != NULL) {
		waiter = due_head;
		DLLIST2_REMOVE(&due_head, &due_tail, waiter);
		waiter->callback(waiter->context);
		i_free(waiter);
	}
}

struct pop3_policy_writer_waiter *
pop3_policy_writer_wait_user(struct pop3_policy_writer *writer,
			     const char *username,
			     pop3_policy_writer_callback_t *callback,
			     void *context)
{
	struct pop3_policy_writer_user *user;
	struct pop3_policy_writer_waiter *waiter;

	/* before the user is looked up: it may settle the last of his records,
	   which frees the user */
	pop3_policy_writer_flush(writer);
	user = hash_table_lookup(writer->users, username);
	if (user == NULL)
		return NULL;
	waiter = i_new(struct pop3_policy_writer_waiter, 1);
	waiter->user = user;
	waiter->last_id = writer->last_id;
	waiter->left = user->pending;
	waiter->callback = callback;
	waiter->context = context;
	DLLIST2_APPEND(&user->waiters_head, &user->waiters_tail, waiter);
	return waiter;
}

void pop3_policy_writer_wait_cancel(struct pop3_policy_writer_waiter **_waiter)
{
	struct pop3_policy_writer_waiter *waiter = *_waiter;

	*_waiter = NULL;
	/* NULL: it is being called right now */
	i_assert(waiter->user != NULL);
	DLLIST2_REMOVE(&waiter->user->waiters_head,
		       &waiter->user->waiters_tail, waiter);
	i_free(waiter);
}
