/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* for fallocate() */
#define _GNU_SOURCE
#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "write-full.h"
#include "pop3-policy-log-private.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

/* Space is taken in the largest of these that can be had. */
static const uoff_t segment_sizes[] = { 16*1024*1024, 1024*1024, 256*1024 };
/* Of it, for what settles records. */
#define POP3_POLICY_LOG_RESERVE (64*1024)

/* Returns 0 if ok, -1 and errno. *space_r is 0 where the file system cannot do
   it. */
static int
pop3_policy_log_take_space(int fd, size_t size, uoff_t *space_r)
{
	unsigned int i;
	uoff_t space;

	*space_r = 0;
	for (i = 0; i < N_ELEMENTS(segment_sizes); i++) {
		space = I_MAX(segment_sizes[i],
			      size + 2 * POP3_POLICY_LOG_RESERVE);
		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)space) == 0) {
			*space_r = space;
			return 0;
		}
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 0;
		if (errno == EINTR)
			i--;
		else if (errno != ENOSPC && errno != EDQUOT)
			return -1;
	}
	return -1;
}

void pop3_policy_log_file_close(struct pop3_policy_log *log,
				struct pop3_policy_log_file *file)
{
	if (file->fd == -1)
		return;
	if (file->space > 0 && ftruncate(file->fd, (off_t)file->size) < 0)
		e_error(log->event, "ftruncate(%s) failed: %m",
			pop3_policy_log_path(log->dir, file->number));
	i_close_fd(&file->fd);
	file->dirty = FALSE;
}

int pop3_policy_log_file_sync(struct pop3_policy_log *log,
			      struct pop3_policy_log_file *file)
{
	if (file->fd == -1 || !file->dirty)
		return 0;
	if (fdatasync(file->fd) < 0) {
		e_error(log->event, "fdatasync(%s) failed: %m",
			pop3_policy_log_path(log->dir, file->number));
		return -1;
	}
	file->dirty = FALSE;
	return 0;
}

static int
pop3_policy_log_segment_create(struct pop3_policy_log *log, const char *path,
			       size_t size, uoff_t *space_r)
{
	int fd;

	if (mkdir(log->dir, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (pop3_policy_log_take_space(fd, size, space_r) < 0) {
		int space_errno = errno;

		i_unlink(path);
		i_close_fd(&fd);
		errno = space_errno;
	}
	return fd;
}

static int
pop3_policy_log_segment_write_start(struct pop3_policy_log *log, int64_t time)
{
	const struct pop3_policy_log_state *state = &log->state;
	struct pop3_policy_log_start *start;
	struct pop3_policy_log_entry entry;
	buffer_t *buf;
	int ret;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_START;
	entry.time = time;
	entry.chain_id = log->chain_id;
	entry.id = state->last_id;
	entry.epoch = state->epoch;
	entry.head = state->head;
	entry.oldest = pop3_policy_log_state_oldest(state);
	if (entry.oldest == 0)
		entry.oldest = log->file.number;
	T_BEGIN {
		buf = t_buffer_create(256);
		pop3_policy_log_encode(buf, &entry);
		ret = pop3_policy_log_segment_write(log, buf->data, buf->used);
	} T_END;
	if (ret < 0)
		return -1;
	start = array_append_space(&log->starts);
	start->number = log->file.number;
	start->time = entry.time;
	start->oldest = entry.oldest;
	start->batch = entry.head.batch;
	return 0;
}

int pop3_policy_log_segment_begin(struct pop3_policy_log *log, size_t size,
				  int64_t time)
{
	struct pop3_policy_log_file last = log->file;
	const char *path = pop3_policy_log_path(log->dir, last.number + 1);
	uoff_t space;
	int start_errno, fd;

	fd = pop3_policy_log_segment_create(log, path, size, &space);
	if (fd < 0)
		return -1;
	i_zero(&log->file);
	log->file.fd = fd;
	log->file.number = last.number + 1;
	log->file.space = space;
	if (pop3_policy_log_segment_write_start(log, time) < 0) {
		/* nobody would know how things stood: not this one then */
		start_errno = errno;
		i_unlink(path);
		i_close_fd(&log->file.fd);
		log->file = last;
		errno = start_errno;
		return -1;
	}
	log->file.start_size = log->file.size;
	log->dir_dirty = TRUE;
	if (last.dirty) {
		/* it is closed when it is on the disk */
		(void)pop3_policy_log_file_sync(log, &log->old);
		pop3_policy_log_file_close(log, &log->old);
		log->old = last;
	} else {
		pop3_policy_log_file_close(log, &last);
	}
	return 0;
}

bool pop3_policy_log_segment_fits(const struct pop3_policy_log *log,
				  size_t size, bool use_reserve)
{
	if (log->file.fd == -1)
		return FALSE;
	if (log->file.space == 0)
		return log->file.size + size <= segment_sizes[0];
	if (!use_reserve)
		size += POP3_POLICY_LOG_RESERVE;
	return log->file.size + size <= log->file.space;
}

int pop3_policy_log_segment_write(struct pop3_policy_log *log,
				  const void *data, size_t size)
{
	struct pop3_policy_log_file *file = &log->file;
	int write_errno;

	if (pwrite_full(file->fd, data, size, (off_t)file->size) == 0) {
		file->size += size;
		file->dirty = TRUE;
		return 0;
	}
	write_errno = errno;
	/* if this fails, too, the beginning of an entry stays, which the next
	   one is written over, or is passed over by whoever reads it */
	if (ftruncate(file->fd, (off_t)file->size) < 0) {
		e_error(log->event, "ftruncate(%s) failed: %m",
			pop3_policy_log_path(log->dir, file->number));
	} else {
		/* that took the space, too */
		file->space = 0;
	}
	errno = write_errno;
	return -1;
}
