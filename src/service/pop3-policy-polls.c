/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-polls.h"
#include "pop3-policy-writer.h"

/* Counters; when there are more they are written at once. */
#define POP3_POLICY_POLLS_MAX 50000
/* Counters in one record. */
#define POP3_POLICY_POLLS_CHUNK 1000
#define POP3_POLICY_HOUR_SECS 3600

struct pop3_policy_poll_counter {
	int64_t hour;
	const char *user, *device, *rip;
	bool tls;
	unsigned int polls;
	double last;
};

struct pop3_policy_polls {
	struct pop3_policy_writer *writer;
	struct timeout *to;
	pool_t pool;
	HASH_TABLE(char *, struct pop3_policy_poll_counter *) counters;
};

struct pop3_policy_polls *
pop3_policy_polls_init(struct pop3_policy_writer *writer, unsigned int interval)
{
	struct pop3_policy_polls *polls;

	polls = i_new(struct pop3_policy_polls, 1);
	polls->writer = writer;
	polls->pool = pool_alloconly_create("pop3 policy polls", 16384);
	hash_table_create(&polls->counters, default_pool, 0, str_hash, strcmp);
	polls->to = timeout_add_short(interval * 1000, pop3_policy_polls_flush,
				polls);
	return polls;
}

void pop3_policy_polls_deinit(struct pop3_policy_polls **_polls)
{
	struct pop3_policy_polls *polls = *_polls;

	*_polls = NULL;
	pop3_policy_polls_flush(polls);
	timeout_remove(&polls->to);
	hash_table_destroy(&polls->counters);
	pool_unref(&polls->pool);
	i_free(polls);
}

void pop3_policy_polls_add(struct pop3_policy_polls *polls,
			   const struct pop3_policy_poll *poll)
{
	struct pop3_policy_poll_counter *counter;
	int64_t hour = (int64_t)poll->started;
	const char *key;

	hour -= hour % POP3_POLICY_HOUR_SECS;
	/* no field holds a tab or a newline that would matter: a mixed up
	   counter would have to differ in nothing else */
	key = t_strdup_printf("%"PRId64"\t%d\t%s\t%s\t%s", hour,
			      poll->tls ? 1 : 0,
			      poll->rip == NULL ? "\n" : poll->rip,
			      poll->device == NULL ? "\n" : poll->device,
			      poll->user);
	counter = hash_table_lookup(polls->counters, key);
	if (counter == NULL) {
		counter = p_new(polls->pool, struct pop3_policy_poll_counter,
				1);
		counter->hour = hour;
		counter->user = p_strdup(polls->pool, poll->user);
		counter->device = p_strdup(polls->pool, poll->device);
		counter->rip = p_strdup(polls->pool, poll->rip);
		counter->tls = poll->tls;
		hash_table_insert(polls->counters, p_strdup(polls->pool, key),
				  counter);
	}
	counter->polls++;
	counter->last = I_MAX(counter->last, poll->ended);
	if (hash_table_count(polls->counters) >= POP3_POLICY_POLLS_MAX)
		pop3_policy_polls_flush(polls);
}

struct pop3_policy_polls_arrays {
	string_t *hours, *users, *devices, *rips, *tls, *polls, *last;
	unsigned int count;
};

static void
pop3_policy_polls_arrays_init(struct pop3_policy_polls_arrays *arrays)
{
	arrays->hours = pop3_policy_array_begin();
	arrays->users = pop3_policy_array_begin();
	arrays->devices = pop3_policy_array_begin();
	arrays->rips = pop3_policy_array_begin();
	arrays->tls = pop3_policy_array_begin();
	arrays->polls = pop3_policy_array_begin();
	arrays->last = pop3_policy_array_begin();
	arrays->count = 0;
}

static void
pop3_policy_polls_arrays_write(struct pop3_policy_polls *polls,
			       struct pop3_policy_polls_arrays *arrays)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_POLLS, NULL, 0);
	record->drop = POP3_POLICY_DROP_FIRST;
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->hours));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->users));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->devices));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->rips));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->tls));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->polls));
	pop3_policy_record_add(record, pop3_policy_array_end(arrays->last));
	pop3_policy_writer_add(polls->writer, record);
}

void pop3_policy_polls_flush(struct pop3_policy_polls *polls)
{
	struct pop3_policy_polls_arrays arrays;
	struct pop3_policy_poll_counter *counter;
	struct hash_iterate_context *iter;
	char *key;

	if (hash_table_count(polls->counters) == 0)
		return;
	pop3_policy_polls_arrays_init(&arrays);
	iter = hash_table_iterate_init(polls->counters);
	while (hash_table_iterate(iter, polls->counters, &key, &counter)) {
		if (arrays.count == POP3_POLICY_POLLS_CHUNK) {
			pop3_policy_polls_arrays_write(polls, &arrays);
			pop3_policy_polls_arrays_init(&arrays);
		}
		pop3_policy_array_add_num(arrays.hours, counter->hour);
		pop3_policy_array_add_text(arrays.users, counter->user);
		pop3_policy_array_add_text(arrays.devices, counter->device);
		pop3_policy_array_add_text(arrays.rips, counter->rip);
		pop3_policy_array_add_bool(arrays.tls, counter->tls);
		pop3_policy_array_add_num(arrays.polls, counter->polls);
		pop3_policy_array_add_text(arrays.last,
			t_strdup_printf("%.6f", counter->last));
		arrays.count++;
	}
	hash_table_iterate_deinit(&iter);
	pop3_policy_polls_arrays_write(polls, &arrays);
	hash_table_clear(polls->counters, FALSE);
	p_clear(polls->pool);
}
