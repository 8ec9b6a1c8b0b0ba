/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "ioloop.h"
#include "time-util.h"
#include "pop3-policy-log-private.h"

#include <fcntl.h>
#include <unistd.h>

/* How long after a failure it is tried again. */
#define POP3_POLICY_LOG_RETRY_MSECS 1000

static void pop3_policy_log_failed(struct pop3_policy_log *log)
{
	log->failed = ioloop_timeval;
	if (log->failing)
		return;
	log->failing = TRUE;
	e_error(log->event, "The log %s cannot be written: %m. What is "
		"recorded already goes on to the database; logins and removals "
		"are refused until it can be written again", log->dir);
}

static void pop3_policy_log_succeeded(struct pop3_policy_log *log)
{
	if (!log->failing)
		return;
	log->failing = FALSE;
	e_info(log->event, "The log %s can be written again", log->dir);
}

/* Whoever goes on after a failure shall not find out by trying each time. */
static bool pop3_policy_log_may_try(const struct pop3_policy_log *log)
{
	return !log->failing ||
		timeval_diff_msecs(&ioloop_timeval, &log->failed) >=
		POP3_POLICY_LOG_RETRY_MSECS;
}

static bool
pop3_policy_log_have_records(const struct pop3_policy_log_entry *entries,
			     unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (entries[i].type == POP3_POLICY_LOG_RECORD)
			return TRUE;
	}
	return FALSE;
}

/* Returns 0 if there is room for so many bytes, in a new segment if need be, -1
   if not. What settles records may use the reserve. */
static int pop3_policy_log_make_room(struct pop3_policy_log *log, size_t size,
				     bool records, int64_t time)
{
	if (pop3_policy_log_segment_fits(log, size, FALSE))
		return !records || pop3_policy_log_may_try(log) ? 0 : -1;
	if (pop3_policy_log_may_try(log)) {
		if (pop3_policy_log_segment_begin(log, size, time) == 0) {
			pop3_policy_log_succeeded(log);
			return 0;
		}
		pop3_policy_log_failed(log);
	}
	return !records && pop3_policy_log_segment_fits(log, size, TRUE) ?
		0 : -1;
}

int pop3_policy_log_append(struct pop3_policy_log *log,
			   const struct pop3_policy_log_entry *entries,
			   unsigned int count)
{
	bool records = pop3_policy_log_have_records(entries, count);
	unsigned int i;

	i_assert(count > 0);
	buffer_set_used_size(log->buf, 0);
	for (i = 0; i < count; i++)
		pop3_policy_log_encode(log->buf, &entries[i]);
	if (pop3_policy_log_make_room(log, log->buf->used, records,
				      entries[0].time) < 0)
		return -1;
	if (pop3_policy_log_segment_write(log, log->buf->data,
					  log->buf->used) < 0) {
		pop3_policy_log_failed(log);
		return -1;
	}
	if (records)
		pop3_policy_log_succeeded(log);
	for (i = 0; i < count; i++) {
		pop3_policy_log_state_apply(&log->state, &entries[i],
					    log->file.number);
	}
	return 0;
}

int pop3_policy_log_append_done(struct pop3_policy_log *log, int64_t time,
				const uint64_t *ids, unsigned int count)
{
	struct pop3_policy_log_entry entry;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_DONE;
	entry.time = time;
	do {
		entry.ids = ids;
		entry.id_count = I_MIN(count, POP3_POLICY_LOG_MAX_IDS);
		if (pop3_policy_log_append(log, &entry, 1) < 0)
			return -1;
		ids += entry.id_count;
		count -= entry.id_count;
	} while (count > 0);
	return 0;
}

static int pop3_policy_log_sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : fsync(fd);

	i_close_fd(&fd);
	return ret;
}

int pop3_policy_log_sync(struct pop3_policy_log *log)
{
	const char *parent;
	int ret = 0;

	if (pop3_policy_log_file_sync(log, &log->old) < 0)
		ret = -1;
	pop3_policy_log_file_close(log, &log->old);
	if (pop3_policy_log_file_sync(log, &log->file) < 0) {
		/* the kernel tells it once: what follows goes elsewhere */
		log->file.space = log->file.size;
		log->file.dirty = FALSE;
		ret = -1;
	}
	if (ret == 0 && log->dir_dirty) {
		parent = t_strdup_until(log->dir, strrchr(log->dir, '/'));
		if (pop3_policy_log_sync_dir(log->dir) < 0 ||
		    pop3_policy_log_sync_dir(parent) < 0) {
			e_error(log->event, "fsync(%s) failed: %m", log->dir);
			ret = -1;
		} else {
			log->dir_dirty = FALSE;
		}
	}
	return ret;
}

bool pop3_policy_log_is_usable(struct pop3_policy_log *log)
{
	struct timeval tv;

	if (!log->failing)
		return TRUE;
	if (!pop3_policy_log_may_try(log))
		return FALSE;
	i_gettimeofday(&tv);
	if (pop3_policy_log_segment_begin(log, 0, (int64_t)tv.tv_sec * 1000000 +
					  tv.tv_usec) < 0) {
		pop3_policy_log_failed(log);
		return FALSE;
	}
	pop3_policy_log_succeeded(log);
	return TRUE;
}
