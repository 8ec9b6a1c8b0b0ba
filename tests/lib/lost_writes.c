/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
 *
 * Preloaded into the policy service by tests: notes what a crash of the whole host
 * would leave of the directory LOST_WRITES_DIR. After each fsync() or fdatasync()
 * of a file in it, the file's content is copied to LOST_WRITES_KEPT/f.INODE; after
 * each fsync() of a directory its names, with their inodes, go to d.INODE. They
 * come into being whole, before the call returns: whoever is killed before that
 * has promised nothing. lost_writes.py is what reads them.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE (PATH_MAX + 64)

/* Is it below the directory? Then path_r is how to open it again. */
static int lost_writes_concern(int fd, char path_r[NAME_SIZE])
{
	const char *dir = getenv("LOST_WRITES_DIR");
	char target[PATH_MAX];
	size_t len;
	ssize_t ret;

	snprintf(path_r, NAME_SIZE, "/proc/self/fd/%d", fd);
	ret = readlink(path_r, target, sizeof(target) - 1);
	if (dir == NULL || ret < 0)
		return 0;
	target[ret] = '\0';
	len = strlen(dir);
	return strncmp(target, dir, len) == 0 &&
		(target[len] == '/' || target[len] == '\0');
}

static int lost_writes_copy(const char *path, FILE *out)
{
	FILE *in = fopen(path, "re");
	char buf[65536];
	size_t len;
	int ret;

	if (in == NULL)
		return -1;
	while ((len = fread(buf, 1, sizeof(buf), in)) > 0)
		(void)fwrite(buf, 1, len, out);
	ret = ferror(in) ? -1 : 0;
	(void)fclose(in);
	return ret;
}

static int lost_writes_list(const char *path, FILE *out)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	if (dir == NULL)
		return -1;
	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			fprintf(out, "%llu %s\n",
				(unsigned long long)d->d_ino, d->d_name);
	}
	(void)closedir(dir);
	return 0;
}

static int lost_writes_keep(int fd)
{
	const char *kept = getenv("LOST_WRITES_KEPT");
	char path[NAME_SIZE], name[NAME_SIZE], temp[NAME_SIZE + 32];
	struct stat st;
	FILE *out;
	int ret;

	if (kept == NULL || !lost_writes_concern(fd, path))
		return 0;
	if (fstat(fd, &st) < 0)
		return -1;
	snprintf(name, sizeof(name), "%s/%c.%llu", kept,
		 S_ISDIR(st.st_mode) ? 'd' : 'f',
		 (unsigned long long)st.st_ino);
	snprintf(temp, sizeof(temp), "%s.%d.new", name, (int)getpid());
	out = fopen(temp, "we");
	if (out == NULL)
		return -1;
	ret = S_ISDIR(st.st_mode) ? lost_writes_list(path, out) :
		lost_writes_copy(path, out);
	if (fclose(out) != 0)
		ret = -1;
	return ret < 0 ? -1 : rename(temp, name);
}

static int lost_writes_sync(const char *function, int fd)
{
	int (*real)(int);
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, function);
	ret = real(fd);
	if (ret == 0 && lost_writes_keep(fd) < 0) {
		fprintf(stderr, "lost_writes: %s\n", strerror(errno));
		abort();
	}
	return ret;
}

int fsync(int fd)
{
	return lost_writes_sync("fsync", fd);
}

int fdatasync(int fd)
{
	return lost_writes_sync("fdatasync", fd);
}
