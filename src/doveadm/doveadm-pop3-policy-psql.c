/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "env-util.h"
#include "path-util.h"
#include "str.h"
#include "doveadm.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-psql.h"

#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PSQL_PATH "/usr/local/bin:/usr/bin:/bin"
/* exit code of the child where psql was not run */
#define PSQL_NOT_RUN 126
/* of psql: there was no connection */
#define PSQL_NO_CONNECTION 2

/* Command lines are seen by everybody on the host. */
static bool psql_has_password(const char *conninfo)
{
	const char *authority = strstr(conninfo, "://");
	const char *colon, *at;

	if (strstr(conninfo, "password") != NULL)
		return TRUE;
	if (authority == NULL)
		return FALSE;
	authority += 3;
	at = strpbrk(authority, "@/?");
	colon = strchr(authority, ':');
	return at != NULL && *at == '@' && colon != NULL && colon < at;
}

int doveadm_pop3_policy_psql_params(struct doveadm_cmd_context *cctx,
				    struct doveadm_pop3_policy_psql *psql_r)
{
	const char *dir = POP3_POLICY_DATADIR"/sql", *error;

	i_zero(psql_r);
	(void)doveadm_cmd_param_str(cctx, "run-as", &psql_r->system_user);
	(void)doveadm_cmd_param_str(cctx, "sql-dir", &dir);
	if (t_abspath(dir, &psql_r->sql_dir, &error) < 0) {
		doveadm_pop3_policy_failed(EX_NOINPUT, error);
		return -1;
	}
	if (!doveadm_cmd_param_str(cctx, "connect", &psql_r->conninfo)) {
		doveadm_pop3_policy_failed(EX_USAGE,
			"Say by --connect which database, such as "
			"\"host=/var/run/postgresql dbname=mail\", as the "
			"owner of the schema or a superuser");
		return -1;
	}
	if (psql_has_password(psql_r->conninfo)) {
		doveadm_pop3_policy_failed(EX_USAGE,
			"A password on the command line is seen by all users "
			"of this host: keep it in a file, and say passfile= or "
			"service= in the connection string");
		return -1;
	}
	return 0;
}

/* In the child. Returns only if it failed; then errno says why. */
static void
psql_exec(const struct doveadm_pop3_policy_psql *psql,
	  const struct passwd *pw, const char *const *args, int stdout_fd)
{
	int fd;

	if (stdout_fd != -1 && dup2(stdout_fd, STDOUT_FILENO) < 0)
		return;
	/* they are root's */
	for (fd = STDERR_FILENO + 1; fd < 1024; fd++)
		(void)close(fd);
	if (pw != NULL) {
		if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
		    setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
			return;
		/* for its password and service files */
		env_put("HOME", pw->pw_dir);
		env_put("USER", pw->pw_name);
	}
	if (getenv("PATH") == NULL)
		env_put("PATH", PSQL_PATH);
	/* from a directory that the user may not be in */
	if (chdir(psql->sql_dir) < 0 && chdir("/") < 0)
		return;
	(void)execvp(args[0], (char *const *)args);
}

static int psql_ended(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!WIFEXITED(status)) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL,
			"psql was killed: what it had not finished changed "
			"nothing");
	} else if (WEXITSTATUS(status) == PSQL_NOT_RUN) {
		/* it has said why */
		doveadm_exit_code = EX_UNAVAILABLE;
	} else if (WEXITSTATUS(status) == PSQL_NO_CONNECTION) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL,
			"The database cannot be asked, see above");
	} else {
		doveadm_pop3_policy_failed(EX_TEMPFAIL,
			"psql failed, see above");
	}
	return -1;
}

static void psql_read(int fd, string_t *output)
{
	char buf[4096];
	ssize_t ret;

	while ((ret = read(fd, buf, sizeof(buf))) > 0 ||
	       (ret < 0 && errno == EINTR)) {
		if (ret > 0)
			str_append_data(output, buf, ret);
	}
}

static void ATTR_NORETURN
psql_child(const struct doveadm_pop3_policy_psql *psql,
	   const struct passwd *pw, const char *const *args, int stdout_fd)
{
	const char *error;

	psql_exec(psql, pw, args, stdout_fd);
	error = errno != ENOENT ? t_strdup_printf("psql cannot be run: %m\n") :
		"psql was not found: it is part of PostgreSQL's client "
		"programs (Debian: postgresql-client)\n";
	if (write(STDERR_FILENO, error, strlen(error)) < 0) {
		/* nobody listens */
	}
	_exit(PSQL_NOT_RUN);
}

int doveadm_pop3_policy_psql_run(const struct doveadm_pop3_policy_psql *psql,
				 const char *const *args, int stdout_fd,
				 const char **output_r)
{
	static const char *const first_args[] = {
		"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"
	};
	const struct passwd *pw = NULL;
	ARRAY_TYPE(const_string) argv;
	string_t *output;
	int fd[2] = { -1, stdout_fd }, status;
	pid_t pid;

	if (psql->system_user != NULL &&
	    (pw = getpwnam(psql->system_user)) == NULL) {
		doveadm_pop3_policy_failed(EX_NOUSER, t_strdup_printf(
			"This host has no user %s", psql->system_user));
		return -1;
	}
	t_array_init(&argv, 16);
	array_append(&argv, first_args, N_ELEMENTS(first_args));
	array_push_back(&argv, &psql->conninfo);
	array_append(&argv, args, str_array_length(args));
	array_append_zero(&argv);

	if (output_r != NULL && pipe(fd) < 0)
		i_fatal("pipe() failed: %m");
	pid = fork();
	if (pid < 0)
		i_fatal("fork() failed: %m");
	if (pid == 0)
		psql_child(psql, pw, array_front(&argv), fd[1]);
	if (output_r != NULL) {
		i_close_fd(&fd[1]);
		output = t_str_new(1024);
		psql_read(fd[0], output);
		i_close_fd(&fd[0]);
		*output_r = str_c(output);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			i_fatal("waitpid(psql) failed: %m");
	}
	return psql_ended(status);
}
