/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "pop3-policy-log-private.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *pop3_policy_log_dir(const char *dir, const char *chain_id)
{
	return t_strdup_printf("%s/log.%s", dir, chain_id);
}

/* --- opening --- */

static void
pop3_policy_log_damaged(const char *path, uoff_t offset, uoff_t size,
			bool torn, void *context)
{
	struct pop3_policy_log *log = context;

	if (size == 0) {
		e_error(log->event, "The log's segment %s is missing or cannot "
			"be read: records in it that were not written yet are "
			"lost", path);
	} else if (!torn) {
		e_error(log->event, "The log is damaged: %s, %"PRIuUOFF_T
			" bytes at offset %"PRIuUOFF_T". Records in them that "
			"were not written yet are lost", path, size, offset);
	} else {
		/* its writer was killed, or the host crashed: nobody was told
		   that it is there */
		e_info(log->event, "The last entry of %s is not complete, its "
		       "%"PRIuUOFF_T" bytes at offset %"PRIuUOFF_T" are cut off",
		       path, size, offset);
		if (truncate(path, (off_t)offset) < 0)
			e_error(log->event, "truncate(%s) failed: %m", path);
	}
}

static void pop3_policy_log_read_starts(struct pop3_policy_log *log,
	const ARRAY_TYPE(pop3_policy_log_segment) *segments)
{
	struct pop3_policy_log_start *start;
	struct pop3_policy_log_entry entry;
	const uint32_t *segment;

	array_foreach(segments, segment) T_BEGIN {
		start = array_append_space(&log->starts);
		start->number = *segment;
		if (pop3_policy_log_read_start(log->dir, *segment,
					       &entry) > 0) {
			start->time = entry.time;
			start->oldest = entry.oldest;
			start->batch = entry.head.batch;
		}
	} T_END;
}

/* Take back the space that a killed writer had taken for the last one. */
static void pop3_policy_log_trim_last(struct pop3_policy_log *log,
				      uint32_t segment)
{
	const char *path = pop3_policy_log_path(log->dir, segment);
	struct stat st;

	if (stat(path, &st) < 0 || truncate(path, st.st_size) < 0)
		e_error(log->event, "truncate(%s) failed: %m", path);
}

/* Where to begin to read so that nothing unsettled is missed: what the last
   whole START says. */
static uint32_t pop3_policy_log_first_needed(const struct pop3_policy_log *log)
{
	const struct pop3_policy_log_start *starts;
	unsigned int count;

	starts = array_get(&log->starts, &count);
	while (count > 0 && starts[count - 1].time == 0)
		count--;
	return count == 0 ? 0 : starts[count - 1].oldest;
}

static int pop3_policy_log_read(struct pop3_policy_log *log, uint32_t first,
				const char **error_r)
{
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry;
	bool more;

	if (pop3_policy_log_reader_init(log->dir, first,
					pop3_policy_log_damaged, log, &reader,
					error_r) < 0)
		return -1;
	do T_BEGIN {
		more = pop3_policy_log_reader_next(reader, &entry);
		if (more) {
			pop3_policy_log_state_apply(&log->state, &entry,
				pop3_policy_log_reader_segment(reader));
		}
	} T_END; while (more);
	pop3_policy_log_reader_deinit(&reader);
	return 0;
}

int pop3_policy_log_open(struct event *event_parent, const char *dir,
			 const char *chain_id, unsigned int keep_secs,
			 struct pop3_policy_log **log_r, const char **error_r)
{
	ARRAY_TYPE(pop3_policy_log_segment) segments;
	struct pop3_policy_log *log;

	log = i_new(struct pop3_policy_log, 1);
	log->event = event_create(event_parent);
	log->dir = i_strdup(pop3_policy_log_dir(dir, chain_id));
	log->chain_id = i_strdup(chain_id);
	log->keep_secs = keep_secs;
	log->file.fd = log->old.fd = -1;
	log->buf = buffer_create_dynamic(default_pool, 4096);
	i_array_init(&log->starts, 16);
	pop3_policy_log_state_init(&log->state);

	t_array_init(&segments, 64);
	if (pop3_policy_log_list(log->dir, &segments, error_r) < 0) {
		pop3_policy_log_close(&log);
		return -1;
	}
	if (array_count(&segments) > 0) {
		log->file.number = *array_back(&segments);
		pop3_policy_log_trim_last(log, log->file.number);
		pop3_policy_log_read_starts(log, &segments);
		if (pop3_policy_log_read(log, pop3_policy_log_first_needed(log),
					 error_r) < 0) {
			pop3_policy_log_close(&log);
			return -1;
		}
	}
	*log_r = log;
	return 0;
}

void pop3_policy_log_close(struct pop3_policy_log **_log)
{
	struct pop3_policy_log *log = *_log;

	*_log = NULL;
	pop3_policy_log_file_close(log, &log->old);
	pop3_policy_log_file_close(log, &log->file);
	pop3_policy_log_state_deinit(&log->state);
	array_free(&log->starts);
	buffer_free(&log->buf);
	event_unref(&log->event);
	i_free(log->chain_id);
	i_free(log->dir);
	i_free(log);
}

const char *pop3_policy_log_get_dir(const struct pop3_policy_log *log)
{
	return log->dir;
}

const struct pop3_policy_log_state *
pop3_policy_log_get_state(const struct pop3_policy_log *log)
{
	return &log->state;
}

bool pop3_policy_log_is_new(const struct pop3_policy_log *log)
{
	return array_count(&log->starts) == 0;
}

uint64_t pop3_policy_log_next_id(const struct pop3_policy_log *log)
{
	return log->state.last_id + 1;
}

/* --- reading again --- */

static void
pop3_policy_log_damaged_before(const char *path ATTR_UNUSED,
			       uoff_t offset ATTR_UNUSED,
			       uoff_t size ATTR_UNUSED, bool torn ATTR_UNUSED,
			       void *context ATTR_UNUSED)
{
	/* it was said when it was read first */
}

int pop3_policy_log_read_from(const struct pop3_policy_log *log,
			      const struct pop3_policy_log_head *head,
			      struct pop3_policy_log_reader **reader_r,
			      const char **error_r)
{
	const struct pop3_policy_log_start *start;
	uint32_t first = 0;

	if (head == NULL) {
		first = pop3_policy_log_state_oldest(&log->state);
		if (first == 0)
			first = log->file.number;
	} else array_foreach(&log->starts, start) {
		/* heads go back at times: what is behind the first START that
		   is beyond it, was not there when one before it began */
		if (start->time == 0)
			continue;
		if (start->batch > head->batch)
			break;
		first = start->oldest;
	}
	return pop3_policy_log_reader_init(log->dir, first,
					   pop3_policy_log_damaged_before,
					   NULL, reader_r, error_r);
}

/* --- keeping --- */

/* Number of segments at the beginning that need not be kept: another one began
   long ago, and had no use for them then. */
static unsigned int
pop3_policy_log_count_expired(const struct pop3_policy_log *log, int64_t limit)
{
	const struct pop3_policy_log_start *starts;
	unsigned int i, count, expired = 0;
	uint32_t oldest = pop3_policy_log_state_oldest(&log->state);

	starts = array_get(&log->starts, &count);
	for (i = 0; i < count; i++) {
		if (starts[i].time == 0 || starts[i].time > limit)
			continue;
		while (expired < i && starts[expired].number < starts[i].oldest &&
		       (oldest == 0 || starts[expired].number < oldest))
			expired++;
	}
	return expired;
}

void pop3_policy_log_expire(struct pop3_policy_log *log, int64_t now)
{
	int64_t keep = (int64_t)log->keep_secs * 1000000;
	const struct pop3_policy_log_start *start;
	unsigned int expired;

	/* so that a segment does not last for long where little happens; one
	   that has only its START can stay */
	if (log->file.fd != -1) {
		start = array_back(&log->starts);
		if (log->file.size > log->file.start_size &&
		    now - start->time >= keep / 4)
			(void)pop3_policy_log_segment_begin(log, 0, now);
	}
	expired = pop3_policy_log_count_expired(log, now - keep);
	while (expired-- > 0) {
		start = array_front(&log->starts);
		i_unlink_if_exists(pop3_policy_log_path(log->dir,
							start->number));
		array_pop_front(&log->starts);
	}
}
