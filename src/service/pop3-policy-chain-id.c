/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "guid.h"
#include "hostpid.h"
#include "randgen.h"
#include "str.h"
#include "write-full.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-db-text.h"

#include <stdio.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POP3_POLICY_UUID_LEN 36

struct pop3_policy_chain_id {
	char *path;
	char *id;
	/* holds the lock */
	int fd;
};

static const char *pop3_policy_chain_id_generate(void)
{
	guid_128_t uuid;
	const char *hex;

	random_fill(uuid, sizeof(uuid));
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	hex = guid_128_to_string(uuid);
	return t_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
			       hex + 12, hex + 16, hex + 20);
}

static int
pop3_policy_chain_id_sync_dir(const char *path, const char **error_r)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/'));
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	int ret = 0;

	if (fd < 0 || fsync(fd) < 0) {
		*error_r = t_strdup_printf("fsync(%s) failed: %m", dir);
		ret = -1;
	}
	i_close_fd(&fd);
	return ret;
}

/* Write a new id to a file that must not exist yet. Returns its locked
   descriptor, -1 + *error_r. */
static int
pop3_policy_chain_id_write(const char *path, const char *id,
			   const char **error_r)
{
	const char *line = t_strconcat(id, "\n", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    write_full(fd, line, strlen(line)) < 0 || fsync(fd) < 0) {
		*error_r = t_strdup_printf("write(%s) failed: %m", path);
		i_unlink(path);
		i_close_fd(&fd);
		return -1;
	}
	return fd;
}

/* Create path with a new id, in one step for others. Returns the locked
   descriptor; -1 with *error_r == NULL if another process was faster. */
static int
pop3_policy_chain_id_create(const char *path, const char **error_r)
{
	const char *temp = t_strdup_printf("%s.new.%s", path, my_pid);
	int fd;

	*error_r = NULL;
	if (unlink(temp) < 0 && errno != ENOENT) {
		*error_r = t_strdup_printf("unlink(%s) failed: %m", temp);
		return -1;
	}
	fd = pop3_policy_chain_id_write(temp, pop3_policy_chain_id_generate(),
					error_r);
	if (fd < 0)
		return -1;
	if (link(temp, path) < 0) {
		if (errno != EEXIST) {
			*error_r = t_strdup_printf("link(%s, %s) failed: %m",
						   temp, path);
		}
		i_close_fd(&fd);
	}
	i_unlink(temp);
	if (fd != -1 && pop3_policy_chain_id_sync_dir(path, error_r) < 0)
		i_close_fd(&fd);
	return fd;
}

/* TRUE if fd is (still) the file that path names. */
static bool pop3_policy_chain_id_is_current(int fd, const char *path)
{
	struct stat st1, st2;

	return fstat(fd, &st1) == 0 && stat(path, &st2) == 0 &&
		st1.st_ino == st2.st_ino && st1.st_dev == st2.st_dev;
}

/* Open or create path, and lock it. Returns 1 if ok, 0 if it is in use, -1 +
   *error_r on error. */
static int
pop3_policy_chain_id_lock(const char *path, int *fd_r, const char **error_r)
{
	unsigned int tries;
	int fd;

	for (tries = 0; tries < 10; tries++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			*fd_r = pop3_policy_chain_id_create(path, error_r);
			if (*fd_r != -1)
				return 1;
			if (*error_r != NULL)
				return -1;
			continue;
		}
		if (fd < 0) {
			*error_r = t_strdup_printf("open(%s) failed: %m", path);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int lock_errno = errno;

			i_close_fd(&fd);
			errno = lock_errno;
			if (errno == EWOULDBLOCK)
				return 0;
			*error_r = t_strdup_printf("flock(%s) failed: %m",
						   path);
			return -1;
		}
		if (pop3_policy_chain_id_is_current(fd, path)) {
			*fd_r = fd;
			return 1;
		}
		i_close_fd(&fd);
	}
	*error_r = t_strdup_printf("%s is replaced again and again", path);
	return -1;
}

static int
pop3_policy_chain_id_read(struct pop3_policy_chain_id *chain,
			  const char **error_r)
{
	char buf[POP3_POLICY_UUID_LEN + 1];
	const char *digits;
	guid_128_t uuid;
	ssize_t ret = pread(chain->fd, buf, sizeof(buf), 0);

	if (ret < 0) {
		*error_r = t_strdup_printf("read(%s) failed: %m", chain->path);
		return -1;
	}
	if (ret == sizeof(buf) && buf[POP3_POLICY_UUID_LEN] == '\n') {
		buf[POP3_POLICY_UUID_LEN] = '\0';
		digits = pop3_policy_uuid_digits(buf);
		if (guid_128_from_string(digits, uuid) == 0) {
			i_free(chain->id);
			chain->id = i_strdup(buf);
			return 0;
		}
	}
	*error_r = t_strdup_printf("%s does not hold a UUID and a newline. "
		"If it was damaged, remove it: a new chain is begun then",
		chain->path);
	return -1;
}

static const char *
pop3_policy_chain_id_name(const char *dir, unsigned int number)
{
	return number == 1 ? t_strdup_printf("%s/chain", dir) :
		t_strdup_printf("%s/chain.%u", dir, number);
}

/* Returns 0 if ok, -1 + *error_r if not; the file is closed then. */
static int
pop3_policy_chain_id_new(const char *path, int fd,
			 struct pop3_policy_chain_id **chain_r,
			 const char **error_r)
{
	struct pop3_policy_chain_id *chain;

	chain = i_new(struct pop3_policy_chain_id, 1);
	chain->path = i_strdup(path);
	chain->fd = fd;
	if (pop3_policy_chain_id_read(chain, error_r) < 0) {
		pop3_policy_chain_id_close(&chain);
		return -1;
	}
	*chain_r = chain;
	return 0;
}

int pop3_policy_chain_id_take(const char *dir, unsigned int number,
			      struct pop3_policy_chain_id **chain_r,
			      const char **error_r)
{
	const char *path = pop3_policy_chain_id_name(dir, number);
	struct stat st;
	int fd, ret;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return 0;
	ret = pop3_policy_chain_id_lock(path, &fd, error_r);
	if (ret <= 0)
		return ret;
	return pop3_policy_chain_id_new(path, fd, chain_r, error_r) < 0 ?
		-1 : 1;
}

int pop3_policy_chain_id_open(const char *dir,
			      struct pop3_policy_chain_id **chain_r,
			      const char **error_r)
{
	const char *path;
	unsigned int i;
	int fd, ret = 0;

	for (i = 1; i <= POP3_POLICY_CHAIN_MAX && ret == 0; i++) {
		path = pop3_policy_chain_id_name(dir, i);
		ret = pop3_policy_chain_id_lock(path, &fd, error_r);
		if (ret < 0)
			return -1;
	}
	if (ret == 0) {
		*error_r = t_strdup_printf("%s/chain to %s are all locked by "
			"other processes: are so many services left from "
			"reloads?", dir, path);
		return -1;
	}
	return pop3_policy_chain_id_new(path, fd, chain_r, error_r);
}

void pop3_policy_chain_id_close(struct pop3_policy_chain_id **_chain)
{
	struct pop3_policy_chain_id *chain = *_chain;

	*_chain = NULL;
	i_close_fd(&chain->fd);
	i_free(chain->path);
	i_free(chain->id);
	i_free(chain);
}

const char *pop3_policy_chain_id_get(const struct pop3_policy_chain_id *chain)
{
	return chain->id;
}

const char *pop3_policy_chain_id_path(const struct pop3_policy_chain_id *chain)
{
	return chain->path;
}

int pop3_policy_chain_id_renew(struct pop3_policy_chain_id *chain,
			       const char **retired_r, const char **error_r)
{
	const char *temp = t_strdup_printf("%s.new.%s", chain->path, my_pid);
	const char *retired = t_strdup_printf("%s.retired.%s.%06u",
		chain->path, dec2str(ioloop_timeval.tv_sec),
		(unsigned int)ioloop_timeval.tv_usec);
	const char *id = pop3_policy_chain_id_generate();
	int fd;

	/* a second name for the old one, then the new one in its place: there
	   is no moment without the file */
	if (link(chain->path, retired) < 0) {
		*error_r = t_strdup_printf("link(%s, %s) failed: %m",
					   chain->path, retired);
		return -1;
	}
	fd = pop3_policy_chain_id_write(temp, id, error_r);
	if (fd < 0) {
		/* it is tried again and again: leave no name for each time */
		i_unlink(retired);
		return -1;
	}
	if (rename(temp, chain->path) < 0) {
		*error_r = t_strdup_printf("rename(%s, %s) failed: %m", temp,
					   chain->path);
		i_unlink(temp);
		i_unlink(retired);
		i_close_fd(&fd);
		return -1;
	}
	if (pop3_policy_chain_id_sync_dir(chain->path, error_r) < 0) {
		/* it can be used all the same */
		i_warning("%s", *error_r);
	}
	i_close_fd(&chain->fd);
	chain->fd = fd;
	i_free(chain->id);
	chain->id = i_strdup(id);
	*retired_r = retired;
	return 0;
}
