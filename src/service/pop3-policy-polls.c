/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-polls.h"
#include "pop3-policy-writer.h"

/* Counters; when there are more the oldest are written at once. */
#define POP3_POLICY_POLLS_MAX 100000
/* Counters in one record. */
#define POP3_POLICY_POLLS_CHUNK 1000
/* How many times in an interval those that are old enough are written. */
#define POP3_POLICY_POLLS_TICKS 60
#define POP3_POLICY_HOUR_SECS 3600

struct pop3_policy_poll_counter {
	struct pop3_policy_poll_counter *prev, *next;
	/* what is counted apart; strings are behind the struct */
	int64_t hour;
	const char *user, *device, *rip;
	bool tls;

	unsigned int polls;
	double last;
	/* when it was begun */
	time_t since;
};

struct pop3_policy_polls {
	struct pop3_policy_writer *writer;
	unsigned int interval;
	struct timeout *to;
	HASH_TABLE(struct pop3_policy_poll_counter *,
		   struct pop3_policy_poll_counter *) counters;
	/* the oldest first */
	struct pop3_policy_poll_counter *head, *tail;
};

static unsigned int
pop3_policy_poll_hash(const struct pop3_policy_poll_counter *counter)
{
	return str_hash(counter->user) ^
		(counter->rip == NULL ? 0 : str_hash(counter->rip)) ^
		(unsigned int)counter->hour;
}

static int
pop3_policy_poll_cmp(const struct pop3_policy_poll_counter *one,
		     const struct pop3_policy_poll_counter *two)
{
	return one->hour != two->hour || one->tls != two->tls ||
		strcmp(one->user, two->user) != 0 ||
		null_strcmp(one->device, two->device) != 0 ||
		null_strcmp(one->rip, two->rip) != 0 ? 1 : 0;
}

static void pop3_policy_polls_tick(struct pop3_policy_polls *polls);

struct pop3_policy_polls *
pop3_policy_polls_init(struct pop3_policy_writer *writer, unsigned int interval)
{
	struct pop3_policy_polls *polls;

	polls = i_new(struct pop3_policy_polls, 1);
	polls->writer = writer;
	polls->interval = interval;
	hash_table_create(&polls->counters, default_pool, 0,
			  pop3_policy_poll_hash, pop3_policy_poll_cmp);
	polls->to = timeout_add_short(
		I_MAX(interval / POP3_POLICY_POLLS_TICKS, 1) * 1000,
		pop3_policy_polls_tick, polls);
	return polls;
}

void pop3_policy_polls_deinit(struct pop3_policy_polls **_polls)
{
	struct pop3_policy_polls *polls = *_polls;

	*_polls = NULL;
	pop3_policy_polls_flush(polls);
	timeout_remove(&polls->to);
	hash_table_destroy(&polls->counters);
	i_free(polls);
}

static const char *pop3_policy_poll_text(char **dest, const char *text)
{
	const char *copy = *dest;
	size_t size;

	if (text == NULL)
		return NULL;
	size = strlen(text) + 1;
	memcpy(*dest, text, size);
	*dest += size;
	return copy;
}

static size_t pop3_policy_poll_text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

static struct pop3_policy_poll_counter *
pop3_policy_polls_begin(struct pop3_policy_polls *polls,
			const struct pop3_policy_poll_counter *key)
{
	struct pop3_policy_poll_counter *counter;
	size_t size = pop3_policy_poll_text_size(key->user) +
		pop3_policy_poll_text_size(key->device) +
		pop3_policy_poll_text_size(key->rip);
	char *text;

	counter = i_malloc(MALLOC_ADD(sizeof(*counter), size));
	text = (char *)(counter + 1);
	counter->hour = key->hour;
	counter->tls = key->tls;
	counter->user = pop3_policy_poll_text(&text, key->user);
	counter->device = pop3_policy_poll_text(&text, key->device);
	counter->rip = pop3_policy_poll_text(&text, key->rip);
	counter->since = ioloop_time;
	hash_table_insert(polls->counters, counter, counter);
	DLLIST2_APPEND(&polls->head, &polls->tail, counter);
	return counter;
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
pop3_policy_polls_arrays_add(struct pop3_policy_polls_arrays *arrays,
			     const struct pop3_policy_poll_counter *counter)
{
	pop3_policy_array_add_num(arrays->hours, counter->hour);
	pop3_policy_array_add_text(arrays->users, counter->user);
	pop3_policy_array_add_text(arrays->devices, counter->device);
	pop3_policy_array_add_text(arrays->rips, counter->rip);
	pop3_policy_array_add_bool(arrays->tls, counter->tls);
	pop3_policy_array_add_num(arrays->polls, counter->polls);
	pop3_policy_array_add_text(arrays->last,
				   t_strdup_printf("%.6f", counter->last));
	arrays->count++;
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

/* Queue records of the oldest counters, so many of them. */
static void pop3_policy_polls_write(struct pop3_policy_polls *polls,
				    unsigned int count)
{
	struct pop3_policy_polls_arrays arrays;
	struct pop3_policy_poll_counter *counter;

	while (count > 0) T_BEGIN {
		pop3_policy_polls_arrays_init(&arrays);
		for (; count > 0 && arrays.count < POP3_POLICY_POLLS_CHUNK;
		     count--) {
			counter = polls->head;
			pop3_policy_polls_arrays_add(&arrays, counter);
			DLLIST2_REMOVE(&polls->head, &polls->tail, counter);
			hash_table_remove(polls->counters, counter);
			i_free(counter);
		}
		pop3_policy_polls_arrays_write(polls, &arrays);
	} T_END;
}

static void pop3_policy_polls_tick(struct pop3_policy_polls *polls)
{
	const struct pop3_policy_poll_counter *counter = polls->head;
	unsigned int count = 0;

	/* A clock that was set back has them wait no longer than twice. */
	while (counter != NULL &&
	       (ioloop_time - counter->since >= (time_t)polls->interval ||
		ioloop_time < counter->since)) {
		counter = counter->next;
		count++;
	}
	pop3_policy_polls_write(polls, count);
}

void pop3_policy_polls_flush(struct pop3_policy_polls *polls)
{
	pop3_policy_polls_write(polls, hash_table_count(polls->counters));
}

void pop3_policy_polls_add(struct pop3_policy_polls *polls,
			   const struct pop3_policy_poll *poll)
{
	struct pop3_policy_poll_counter *counter, key = {
		.hour = (int64_t)poll->started,
		.user = poll->user,
		.device = poll->device,
		.rip = poll->rip,
		.tls = poll->tls,
	};

	key.hour -= key.hour % POP3_POLICY_HOUR_SECS;
	counter = hash_table_lookup(polls->counters, &key);
	if (counter == NULL)
		counter = pop3_policy_polls_begin(polls, &key);
	counter->polls++;
	counter->last = I_MAX(counter->last, poll->ended);
	if (hash_table_count(polls->counters) >= POP3_POLICY_POLLS_MAX)
		pop3_policy_polls_write(polls, POP3_POLICY_POLLS_CHUNK);
}
