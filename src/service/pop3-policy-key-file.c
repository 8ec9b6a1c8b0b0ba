/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "hostpid.h"
#include "istream.h"
#include "randgen.h"
#include "safe-memset.h"
#include "str.h"
#include "write-full.h"
#include "pop3-policy-key-private.h"

#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

/* Id, blank, key. */
#define POP3_POLICY_KEY_MAX_LINE 256

/* --- reading --- */

static int
pop3_policy_key_file_check(const char *path, const struct stat *st,
			   const char **error_r)
{
	if (!S_ISREG(st->st_mode)) {
		*error_r = t_strdup_printf("%s is no file", path);
		return -1;
	}
	if ((st->st_mode & 0077) != 0) {
		*error_r = t_strdup_printf("%s can be read or written by "
			"others (mode 0%o), who could then change what is "
			"recorded without a trace. If nobody has, chmod 600 "
			"%s", path, (unsigned int)st->st_mode & 0777, path);
		return -1;
	}
	return 0;
}

/* A line's key. Returns 0 if ok, -1 + *error_r, which does not quote it. */
static int
pop3_policy_key_file_parse(const char *line,
			   struct pop3_policy_chain_mac **mac_r,
			   const char **error_r)
{
	const char *hex = strchr(line, ' ');
	buffer_t *key = t_buffer_create(POP3_POLICY_CHAIN_KEY_SIZE);
	int ret = -1;

	if (hex == NULL ||
	    strlen(hex + 1) != 2 * POP3_POLICY_CHAIN_KEY_SIZE ||
	    hex_to_binary(hex + 1, key) < 0) {
		*error_r = "it is not an id, a blank and 64 hexadecimal "
			"digits";
	} else if ((*mac_r = pop3_policy_chain_mac_init(key->data,
							error_r)) == NULL) {
		;
	} else if (strncmp(line, pop3_policy_chain_mac_key_id(*mac_r),
			   hex - line) != 0 ||
		   hex - line != POP3_POLICY_CHAIN_KEY_ID_LEN) {
		pop3_policy_chain_mac_deinit(mac_r);
		*error_r = "id and key do not belong together";
	} else {
		ret = 0;
	}
	safe_memset(buffer_get_space_unsafe(key, 0, key->used), 0, key->used);
	return ret;
}

static int
pop3_policy_key_file_lines(const char *path, struct istream *input,
			   struct pop3_policy_chain_mac **mac_r,
			   const char **error_r)
{
	struct pop3_policy_chain_mac *last = NULL, *mac;
	unsigned int linenum = 0;
	const char *line, *error;
	int ret = 0;

	while (ret == 0 && (line = i_stream_read_next_line(input)) != NULL) {
		linenum++;
		if (*line == '\0' || *line == '#')
			continue;
		ret = pop3_policy_key_file_parse(line, &mac, &error);
		if (ret < 0) {
			*error_r = t_strdup_printf("%s line %u: %s", path,
						   linenum, error);
		} else {
			pop3_policy_chain_mac_deinit(&last);
			last = mac;
		}
	}
	if (ret == 0 && input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	} else if (ret == 0 && last == NULL) {
		*error_r = t_strdup_printf("%s has no key", path);
		ret = -1;
	}
	if (ret < 0)
		pop3_policy_chain_mac_deinit(&last);
	*mac_r = last;
	return ret;
}

int pop3_policy_key_file_read(const char *path,
			      struct pop3_policy_chain_mac **mac_r,
			      struct stat *st_r, const char **error_r)
{
	struct istream *input;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return errno == ENOENT ? 0 : -1;
	}
	if (fstat(fd, st_r) < 0) {
		*error_r = t_strdup_printf("fstat(%s) failed: %m", path);
		i_close_fd(&fd);
		return -1;
	}
	if (pop3_policy_key_file_check(path, st_r, error_r) < 0) {
		i_close_fd(&fd);
		return -1;
	}
	input = i_stream_create_fd_autoclose(&fd, POP3_POLICY_KEY_MAX_LINE);
	/* a line is whole when its end is there */
	i_stream_set_return_partial_line(input, FALSE);
	ret = pop3_policy_key_file_lines(path, input, mac_r, error_r);
	i_stream_destroy(&input);
	return ret < 0 ? -1 : 1;
}

/* --- making --- */

static string_t *pop3_policy_key_file_line(const char **error_r)
{
	unsigned char key[POP3_POLICY_CHAIN_KEY_SIZE];
	struct pop3_policy_chain_mac *mac;
	string_t *line = NULL;

	random_fill(key, sizeof(key));
	mac = pop3_policy_chain_mac_init(key, error_r);
	if (mac != NULL) {
		line = t_str_new(POP3_POLICY_KEY_MAX_LINE);
		str_append(line, pop3_policy_chain_mac_key_id(mac));
		str_append_c(line, ' ');
		binary_to_hex_append(line, key, sizeof(key));
		str_append_c(line, '\n');
		pop3_policy_chain_mac_deinit(&mac);
	}
	safe_memset(key, 0, sizeof(key));
	return line;
}

static int pop3_policy_key_file_sync_dir(const char *path, const char **error_r)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/'));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0 || fsync(fd) < 0) {
		*error_r = t_strdup_printf("fsync(%s) failed: %m", dir);
		ret = -1;
	}
	i_close_fd(&fd);
	return ret;
}

int pop3_policy_key_file_create(const char *path, const char **error_r)
{
	const char *temp = t_strdup_printf("%s.new.%s", path, my_pid);
	string_t *line = pop3_policy_key_file_line(error_r);
	int fd, ret = -1;

	if (line == NULL)
		return -1;
	i_unlink_if_exists(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", temp);
	} else if (write_full(fd, str_data(line), str_len(line)) < 0 ||
		   fsync(fd) < 0) {
		*error_r = t_strdup_printf("write(%s) failed: %m", temp);
	} else if (link(temp, path) < 0 && errno != EEXIST) {
		*error_r = t_strdup_printf("link(%s, %s) failed: %m", temp,
					   path);
	} else {
		/* what was sealed with a key that is lost cannot be checked */
		ret = pop3_policy_key_file_sync_dir(path, error_r);
	}
	safe_memset(str_c_modifiable(line), 0, str_len(line));
	if (fd != -1) {
		i_unlink(temp);
		i_close_fd(&fd);
	}
	return ret;
}
