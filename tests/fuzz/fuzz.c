/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#define _GNU_SOURCE /* memfd_create() */
#include "lib.h"
#include "write-full.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_fd = -1;

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	fuzz_begin();
	return 0;
}

const char *fuzz_text(const uint8_t *data, size_t size)
{
	return t_strndup(data, size);
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
	if (file_fd == -1) {
		file_fd = memfd_create("fuzz", MFD_CLOEXEC);
		i_assert(file_fd != -1 && fchmod(file_fd, 0600) == 0);
	}
	i_assert(ftruncate(file_fd, 0) == 0 && lseek(file_fd, 0, SEEK_SET) == 0);
	i_assert(write_full(file_fd, data, size) == 0);
	return t_strdup_printf("/proc/self/fd/%d", file_fd);
}
