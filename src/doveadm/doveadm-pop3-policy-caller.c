/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "strnum.h"
#include "doveadm-pop3-policy-caller.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#define LOGIN_UID_PATH "/proc/self/loginuid"

static const char *caller_uid_name(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	return pw == NULL ? NULL : t_strdup(pw->pw_name);
}

/* Linux's audit system sets it at the login. */
static const char *caller_login_uid_name(void)
{
	char buf[32];
	uintmax_t uid;
	ssize_t ret;
	int fd;

	fd = open(LOGIN_UID_PATH, O_RDONLY);
	if (fd < 0)
		return NULL;
	ret = read(fd, buf, sizeof(buf) - 1);
	i_close_fd(&fd);
	if (ret <= 0)
		return NULL;
	buf[ret] = '\0';
	/* not set: (uid_t)-1 */
	if (str_to_uintmax(t_strcut(buf, '\n'), &uid) < 0 ||
	    (uid_t)uid == (uid_t)-1)
		return NULL;
	return caller_uid_name((uid_t)uid);
}

const char *doveadm_pop3_policy_caller(void)
{
	const char *name = caller_login_uid_name();

	if (name == NULL)
		name = getlogin();
	if (name == NULL || *name == '\0')
		name = caller_uid_name(getuid());
	return name == NULL ? t_strdup_printf("uid %ld", (long)getuid()) :
		t_strdup_printf("%s (uid %ld)", name, (long)getuid());
}
