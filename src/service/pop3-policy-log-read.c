/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "strnum.h"
#include "pop3-policy-log-read.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define POP3_POLICY_LOG_NAME_LEN 8
/* START is smaller. */
#define POP3_POLICY_LOG_START_MAX 512

struct pop3_policy_log_reader {
	char *dir;
	pop3_policy_log_damaged_t *damaged;
	void *context;

	ARRAY_TYPE(pop3_policy_log_segment) segments;
	/* of the one being read: its index is next - 1 */
	unsigned int next;
	unsigned char *data;
	size_t size, pos;
};

const char *pop3_policy_log_path(const char *dir, uint32_t segment)
{
	return t_strdup_printf("%s/%08u", dir, segment);
}

static int
pop3_policy_log_segment_cmp(const uint32_t *segment1, const uint32_t *segment2)
{
	return *segment1 < *segment2 ? -1 : *segment1 > *segment2 ? 1 : 0;
}

int pop3_policy_log_list(const char *dir,
			 ARRAY_TYPE(pop3_policy_log_segment) *segments_r,
			 const char **error_r)
{
	struct dirent *d;
	uint32_t segment;
	DIR *dirp = opendir(dir);
	int ret = 0;

	array_clear(segments_r);
	if (dirp == NULL) {
		if (errno == ENOENT)
			return 0;
		*error_r = t_strdup_printf("opendir(%s) failed: %m", dir);
		return -1;
	}
	for (errno = 0; (d = readdir(dirp)) != NULL; errno = 0) {
		if (strlen(d->d_name) == POP3_POLICY_LOG_NAME_LEN &&
		    str_to_uint32(d->d_name, &segment) == 0)
			array_push_back(segments_r, &segment);
	}
	if (errno != 0) {
		*error_r = t_strdup_printf("readdir(%s) failed: %m", dir);
		ret = -1;
	}
	(void)closedir(dirp);
	array_sort(segments_r, pop3_policy_log_segment_cmp);
	return ret;
}

/* Read at most max bytes of the file. Returns their number, -1 if it cannot be
   read. */
static ssize_t
pop3_policy_log_slurp(const char *path, unsigned char **data_r, size_t max)
{
	unsigned char *data;
	struct stat st;
	ssize_t ret;
	size_t used = 0, size;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		i_close_fd(&fd);
		return -1;
	}
	size = I_MIN((size_t)st.st_size, max);
	data = i_malloc(size + 1);
	while (used < size && (ret = read(fd, data + used, size - used)) != 0) {
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0) {
			i_free(data);
			i_close_fd(&fd);
			return -1;
		}
		used += (size_t)ret;
	}
	i_close_fd(&fd);
	*data_r = data;
	return (ssize_t)used;
}

int pop3_policy_log_read_start(const char *dir, uint32_t segment,
			       struct pop3_policy_log_entry *entry_r)
{
	unsigned char *data;
	size_t entry_size;
	ssize_t size;
	int ret = 0;

	size = pop3_policy_log_slurp(pop3_policy_log_path(dir, segment), &data,
				     POP3_POLICY_LOG_START_MAX);
	if (size < 0)
		return 0;
	if (pop3_policy_log_decode(data, (size_t)size, entry_r,
				   &entry_size) > 0 &&
	    entry_r->type == POP3_POLICY_LOG_START) {
		entry_r->chain_id = t_strdup(entry_r->chain_id);
		ret = 1;
	}
	i_free(data);
	return ret;
}

int pop3_policy_log_reader_init(const char *dir, uint32_t first,
				pop3_policy_log_damaged_t *damaged,
				void *context,
				struct pop3_policy_log_reader **reader_r,
				const char **error_r)
{
	struct pop3_policy_log_reader *reader;
	unsigned int before = 0;

	reader = i_new(struct pop3_policy_log_reader, 1);
	reader->dir = i_strdup(dir);
	reader->damaged = damaged;
	reader->context = context;
	i_array_init(&reader->segments, 16);
	if (pop3_policy_log_list(dir, &reader->segments, error_r) < 0) {
		pop3_policy_log_reader_deinit(&reader);
		return -1;
	}
	while (before < array_count(&reader->segments) &&
	       *array_idx(&reader->segments, before) < first)
		before++;
	array_delete(&reader->segments, 0, before);
	*reader_r = reader;
	return 0;
}

void pop3_policy_log_reader_deinit(struct pop3_policy_log_reader **_reader)
{
	struct pop3_policy_log_reader *reader = *_reader;

	*_reader = NULL;
	array_free(&reader->segments);
	i_free(reader->data);
	i_free(reader->dir);
	i_free(reader);
}

uint32_t
pop3_policy_log_reader_segment(const struct pop3_policy_log_reader *reader)
{
	i_assert(reader->next > 0);
	return *array_idx(&reader->segments, reader->next - 1);
}

static void
pop3_policy_log_reader_damaged(struct pop3_policy_log_reader *reader,
			       uint32_t segment, size_t offset, size_t size,
			       bool torn)
{
	reader->damaged(pop3_policy_log_path(reader->dir, segment), offset,
			size, torn, reader->context);
}

/* Returns FALSE if there is no other segment. */
static bool
pop3_policy_log_reader_open_next(struct pop3_policy_log_reader *reader)
{
	const uint32_t *segments;
	unsigned int count;
	uint32_t segment;
	ssize_t ret;

	segments = array_get(&reader->segments, &count);
	if (reader->next == count)
		return FALSE;
	segment = segments[reader->next++];
	if (reader->next > 1 && segments[reader->next - 2] + 1 != segment) {
		pop3_policy_log_reader_damaged(reader,
			segments[reader->next - 2] + 1, 0, 0, FALSE);
	}
	i_free(reader->data);
	reader->size = reader->pos = 0;
	ret = pop3_policy_log_slurp(pop3_policy_log_path(reader->dir, segment),
				    &reader->data, SIZE_MAX);
	if (ret < 0) {
		pop3_policy_log_reader_damaged(reader, segment, 0, 0, FALSE);
		return TRUE;
	}
	reader->size = (size_t)ret;
	return TRUE;
}

static bool data_is_zero(const unsigned char *data, size_t size)
{
	while (size > 0 && *data == '\0') {
		data++;
		size--;
	}
	return size == 0;
}

/* What is at the current place is no entry: find the next one. Returns TRUE if
   there is one in this segment. */
static bool
pop3_policy_log_reader_skip(struct pop3_policy_log_reader *reader, bool torn,
			    struct pop3_policy_log_entry *entry_r,
			    size_t *entry_size_r)
{
	size_t start = reader->pos;
	const unsigned char *p;

	while (++reader->pos < reader->size) {
		p = memchr(reader->data + reader->pos, 'P',
			   reader->size - reader->pos);
		if (p == NULL)
			break;
		reader->pos = p - reader->data;
		if (pop3_policy_log_decode(p, reader->size - reader->pos,
					   entry_r, entry_size_r) > 0)
			break;
	}
	if (reader->pos >= reader->size ||
	    reader->data[reader->pos] != 'P')
		reader->pos = reader->size;
	/* a crash of the host may leave zeros for what was not written yet */
	if (reader->pos == reader->size && !torn)
		torn = data_is_zero(reader->data + start,
				    reader->size - start);
	pop3_policy_log_reader_damaged(reader,
		pop3_policy_log_reader_segment(reader), start,
		reader->pos - start, torn && reader->pos == reader->size);
	return reader->pos < reader->size;
}

bool pop3_policy_log_reader_next(struct pop3_policy_log_reader *reader,
				 struct pop3_policy_log_entry *entry_r)
{
	size_t entry_size;
	int ret;

	do {
		while (reader->pos == reader->size) {
			if (!pop3_policy_log_reader_open_next(reader))
				return FALSE;
		}
		ret = pop3_policy_log_decode(reader->data + reader->pos,
					     reader->size - reader->pos,
					     entry_r, &entry_size);
	} while (ret <= 0 &&
		 !pop3_policy_log_reader_skip(reader, ret == 0, entry_r,
					      &entry_size));
	reader->pos += entry_size;
	return TRUE;
}
