/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "read-full.h"
#include "safe-memset.h"
#include "str.h"
#include "write-full.h"
#include "pop3-policy-key-private.h"
#include "pop3-policy-verify-rotate.h"

#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

/* Enough for thousands of keys. */
#define VERIFY_KEY_FILE_MAX (1024*1024)

static int verify_rotate_read(const char *path, string_t *dest,
			      const char **error_r)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0 || fstat(fd, &st) < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		i_close_fd(&fd);
		return -1;
	}
	if (st.st_size > VERIFY_KEY_FILE_MAX) {
		*error_r = t_strdup_printf("%s is too large", path);
		i_close_fd(&fd);
		return -1;
	}
	ret = read_full(fd, buffer_append_space_unsafe(dest, st.st_size),
			st.st_size);
	if (ret <= 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
			ret == 0 ? "it is shorter now" : strerror(errno));
	}
	i_close_fd(&fd);
	return ret <= 0 ? -1 : 0;
}

static int verify_rotate_write(const char *path, const char *next,
			       const string_t *keys, const char **error_r)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/'));
	int fd, ret = -1;

	/* at most one of us at a time */
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m%s", next,
			errno != EEXIST ? "" : ". If no other rotation is "
			"under way, remove it");
		return -1;
	}
	if (write_full(fd, str_data(keys), str_len(keys)) < 0 ||
	    fsync(fd) < 0) {
		*error_r = t_strdup_printf("write(%s) failed: %m", next);
	} else if (rename(next, path) < 0) {
		*error_r = t_strdup_printf("rename(%s, %s) failed: %m", next,
					   path);
	} else {
		ret = 0;
	}
	if (ret < 0)
		i_unlink(next);
	i_close_fd(&fd);
	if (ret < 0)
		return -1;
	/* what is sealed with a key that is lost cannot be verified */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0) {
		*error_r = t_strdup_printf("fsync(%s) failed: %m", dir);
		ret = -1;
	}
	i_close_fd(&fd);
	return ret;
}

static int verify_rotate(const char *path, const char **error_r)
{
	const char *added = t_strconcat(path, ".added", NULL);
	struct pop3_policy_chain_mac *mac;
	string_t *keys = t_str_new(1024);
	struct stat st;
	int ret;

	/* nothing is added to a file that is no good */
	if (pop3_policy_key_file_read(path, &mac, &st, error_r) <= 0)
		return -1;
	pop3_policy_chain_mac_deinit(&mac);
	i_unlink_if_exists(added);
	ret = verify_rotate_read(path, keys, error_r);
	if (ret == 0) {
		if (str_len(keys) > 0 &&
		    str_data(keys)[str_len(keys) - 1] != '\n')
			str_append_c(keys, '\n');
		ret = pop3_policy_key_file_create(added, error_r);
	}
	if (ret == 0)
		ret = verify_rotate_read(added, keys, error_r);
	if (ret == 0) {
		ret = verify_rotate_write(path,
					  t_strconcat(path, ".next", NULL),
					  keys, error_r);
	}
	i_unlink_if_exists(added);
	safe_memset(str_c_modifiable(keys), 0, str_len(keys));
	return ret;
}

int pop3_policy_verify_rotate(const char *path)
{
	struct pop3_policy_chain_mac *mac;
	struct stat st;
	const char *error;

	if (verify_rotate(path, &error) < 0 ||
	    pop3_policy_key_file_read(path, &mac, &st, &error) <= 0) {
		i_error("%s", error);
		return EX_TEMPFAIL;
	}
	printf("%s: key %s is used from now on. Keep a copy of the file "
	       "elsewhere: nothing can be verified without it\n", path,
	       pop3_policy_chain_mac_key_id(mac));
	pop3_policy_chain_mac_deinit(&mac);
	return 0;
}
