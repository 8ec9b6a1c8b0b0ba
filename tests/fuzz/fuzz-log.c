/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The service's log. Sums are put right before it is read, else nothing but
   those would be looked at; the first byte says of how many entries. */

#include "lib.h"
#include "buffer.h"
#include "crc32.h"
#include "write-full.h"
#include "pop3-policy-log-read.h"
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char *fuzz_dir, *fuzz_segment;

static void fuzz_end(void)
{
	i_unlink_if_exists(fuzz_segment);
	(void)rmdir(fuzz_dir);
	i_free(fuzz_segment);
	i_free(fuzz_dir);
}

void fuzz_begin(void)
{
	const char *tmpdir = getenv("TMPDIR");

	fuzz_dir = i_strconcat(tmpdir != NULL ? tmpdir : "/tmp",
			       "/pop3-policy-fuzz-XXXXXX", NULL);
	i_assert(mkdtemp(fuzz_dir) != NULL);
	T_BEGIN {
		fuzz_segment = i_strdup(pop3_policy_log_path(fuzz_dir, 1));
	} T_END;
	i_assert(atexit(fuzz_end) == 0);
}

/* Make the sums of so many entries right. */
static void fuzz_mend(unsigned char *data, size_t size, unsigned int count)
{
	size_t pos = 0, len;
	uint32_t sum;

	while (count > 0 && pos + POP3_POLICY_LOG_ENTRY_HEADER <= size) {
		if (memcmp(data + pos, "P3LG", 4) != 0) {
			pos++;
			continue;
		}
		len = be32_to_cpu_unaligned(data + pos + 4);
		pos += POP3_POLICY_LOG_ENTRY_HEADER;
		if (len > size - pos)
			continue;
		sum = crc32_data(data + pos - 8, 4);
		sum = crc32_data_more(sum, data + pos, len);
		cpu32_to_be_unaligned(sum, data + pos - 4);
		pos += len;
		count--;
	}
}

/* An entry that was read is written as it was. */
static void fuzz_again(const struct pop3_policy_log_entry *entry)
{
	buffer_t *buf = t_buffer_create(256), *buf2 = t_buffer_create(256);
	struct pop3_policy_log_entry again;
	size_t size;

	pop3_policy_log_encode(buf, entry);
	i_assert(pop3_policy_log_decode(buf->data, buf->used, &again,
					&size) == 1);
	i_assert(size == buf->used);
	pop3_policy_log_encode(buf2, &again);
	i_assert(buf->used == buf2->used &&
		 memcmp(buf->data, buf2->data, buf->used) == 0);
}

static void fuzz_damaged(const char *path ATTR_UNUSED, uoff_t offset,
			 uoff_t size, bool torn ATTR_UNUSED, void *context)
{
	uoff_t *file_size = context;

	i_assert(offset <= *file_size && size <= *file_size - offset);
}

static void fuzz_read(uoff_t size)
{
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry;
	const char *error;
	bool found;

	i_zero(&entry);
	(void)pop3_policy_log_read_start(fuzz_dir, 1, &entry);
	i_assert(pop3_policy_log_reader_init(fuzz_dir, 1, fuzz_damaged, &size,
					     &reader, &error) == 0);
	do T_BEGIN {
		found = pop3_policy_log_reader_next(reader, &entry);
		/* a run of ids is short in the file, whatever it has */
		if (found && entry.id_count < 1000)
			fuzz_again(&entry);
	} T_END; while (found);
	pop3_policy_log_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	T_BEGIN {
		unsigned char *copy = p_malloc(pool_datastack_create(), size);
		int fd;

		memcpy(copy, data + 1, size - 1);
		fuzz_mend(copy, size - 1, data[0]);
		fd = open(fuzz_segment, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		i_assert(fd != -1);
		i_assert(write_full(fd, copy, size - 1) == 0);
		i_close_fd(&fd);
		fuzz_read(size - 1);
	} T_END;
	return 0;
}
