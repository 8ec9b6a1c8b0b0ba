/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* verify, rotate-key: the chains of audit records, and the keys that seal them.
   A program of its own does it, which doveadm starts: it works without the
   service, and without what the service has in memory. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strescape.h"
#include "strfuncs.h"
#include "env-util.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "pop3-policy-compat.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-time.h"

#include <sys/wait.h>
#include <unistd.h>

#define VERIFY_PROGRAM "pop3-policy-verify"
#define VERIFY_PATH "/usr/local/bin:/usr/bin:/bin"
#define VERIFY_NOT_RUN 126
/* exit status if something is wrong in a chain */
#define VERIFY_FOUND 1

/* "executable = pop3-policy -c FILE" */
#define VERIFY_SETTING "service/pop3-policy/executable"

/* of --tab */
static const char *const verify_columns[] = {
	"chain", "first", "last", "time", "event", "result", "text"
};

static void ATTR_NORETURN
verify_child(const char *const *argv, int stdout_fd, bool quiet)
{
	const char *error;

	if (stdout_fd != -1 && dup2(stdout_fd, STDOUT_FILENO) < 0)
		_exit(VERIFY_NOT_RUN);
	if (quiet)
		(void)close(STDERR_FILENO);
	if (getenv("PATH") == NULL)
		env_put("PATH", VERIFY_PATH);
	(void)execvp(argv[0], (char *const *)argv);
	error = t_strdup_printf("%s cannot be run: %m\n", argv[0]);
	if (write(STDERR_FILENO, error, strlen(error)) < 0) {
		/* nobody listens */
	}
	_exit(VERIFY_NOT_RUN);
}

/* output_r may be NULL: it goes where doveadm's goes. quiet: what it complains of
   goes nowhere. Returns the exit status, -1 if there is none. */
static int verify_run(const char *const *argv, bool quiet,
		      const char **output_r)
{
	string_t *output = t_str_new(256);
	int fd[2] = { -1, -1 }, status;
	char buf[1024];
	ssize_t ret;
	pid_t pid;

	if (output_r != NULL && pipe(fd) < 0)
		i_fatal("pipe() failed: %m");
	pid = fork();
	if (pid < 0)
		i_fatal("fork() failed: %m");
	if (pid == 0)
		verify_child(argv, fd[1], quiet);
	if (output_r != NULL) {
		i_close_fd(&fd[1]);
		while ((ret = read(fd[0], buf, sizeof(buf))) > 0 ||
		       (ret < 0 && errno == EINTR)) {
			if (ret > 0)
				str_append_data(output, buf, ret);
		}
		i_close_fd(&fd[0]);
		*output_r = str_c(output);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			i_fatal("waitpid() failed: %m");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The service's program and its settings file, as Dovecot's configuration names
   them. */
static void verify_find(const char **program_r, const char **config_r)
{
	const char *const argv[] = {
		"doveconf", "-c", master_service_get_config_path(master_service),
		VERIFY_SETTING, NULL
	};
	const char *output, *const *words;

	*program_r = t_strconcat(doveadm_settings->libexec_dir,
				 "/"VERIFY_PROGRAM, NULL);
	*config_r = POP3_POLICY_SERVICE_CONFIG;
	if (verify_run(argv, TRUE, &output) != 0)
		return;
	words = t_strsplit_spaces(output, " \t\r\n\"");
	for (; *words != NULL; words++) {
		if (strcmp(*words, "=") == 0 && words[1] != NULL &&
		    *words[1] == '/') {
			*program_r = t_strconcat(t_strdup_until(words[1],
				strrchr(words[1], '/')), "/"VERIFY_PROGRAM,
				NULL);
		} else if (strcmp(*words, "-c") == 0 && words[1] != NULL) {
			*config_r = words[1];
		}
	}
}

static void verify_args_init(struct doveadm_cmd_context *cctx,
			     ARRAY_TYPE(const_string) *argv)
{
	const struct master_service_settings *master_set =
		master_service_settings_get(master_service);
	const char *program, *config;
	const char *first[5];

	verify_find(&program, &config);
	(void)doveadm_cmd_param_str(cctx, "config", &config);
	first[0] = program;
	first[1] = "--config";
	first[2] = config;
	first[3] = "--state-dir";
	first[4] = t_strconcat(master_set->state_dir, "/pop3-policy", NULL);
	t_array_init(argv, 16);
	array_append(argv, first, N_ELEMENTS(first));
}

static void verify_arg(ARRAY_TYPE(const_string) *argv, const char *option,
		       const char *value)
{
	if (value != NULL) {
		array_push_back(argv, &option);
		array_push_back(argv, &value);
	}
}

/* By the formatter that was asked for. */
static void verify_print(const char *output)
{
	const char *const *lines, *const *fields;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(verify_columns); i++)
		doveadm_print_header_simple(verify_columns[i]);
	for (lines = t_strsplit(output, "\n"); **lines != '\0'; lines++) T_BEGIN {
		fields = t_strsplit_tabescaped(*lines);
		for (i = 0; i < N_ELEMENTS(verify_columns); i++)
			doveadm_print(*fields == NULL ? "" : *fields++);
	} T_END;
}

static void verify_exec(ARRAY_TYPE(const_string) *argv, bool rows)
{
	const char *output = NULL;
	int status;

	array_append_zero(argv);
	status = verify_run(array_front(argv), FALSE, rows ? &output : NULL);
	if (rows && (status == 0 || status == VERIFY_FOUND))
		verify_print(output);
	if (status == VERIFY_NOT_RUN) {
		doveadm_exit_code = EX_UNAVAILABLE;
	} else if (status < 0) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL,
			VERIFY_PROGRAM" was killed");
	} else if (status > 0) {
		/* it has said why */
		doveadm_exit_code = status;
	}
}

static void cmd_verify(struct doveadm_cmd_context *cctx)
{
	ARRAY_TYPE(const_string) argv;
	const char *const *files, *chain = NULL, *tab = "--tab";
	/* doveadm -f */
	bool rows = doveadm_print_is_initialized();

	verify_args_init(cctx, &argv);
	if (rows)
		array_push_back(&argv, &tab);
	verify_arg(&argv, "--since", doveadm_pop3_policy_time(cctx, "since"));
	verify_arg(&argv, "--until", doveadm_pop3_policy_time(cctx, "until"));
	(void)doveadm_cmd_param_str(cctx, "chain", &chain);
	verify_arg(&argv, "--chain", chain);
	if (doveadm_cmd_param_array(cctx, "key-file", &files)) {
		for (; *files != NULL; files++)
			verify_arg(&argv, "--key-file", *files);
	}
	verify_exec(&argv, rows);
}

static void cmd_rotate_key(struct doveadm_cmd_context *cctx)
{
	const char *option = "--rotate-key";
	ARRAY_TYPE(const_string) argv;

	verify_args_init(cctx, &argv);
	array_push_back(&argv, &option);
	verify_exec(&argv, FALSE);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_verify = {
	.name = "pop3-policy verify",
	.cmd = cmd_verify,
	.usage = "[-a <since>] [-b <until>] [-i <chain>] [-k <key file> ...] "
		"[-c <service's settings>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('a', "since", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('b', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('i', "chain", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('k', "key-file", CMD_PARAM_ARRAY, 0)
DOVEADM_CMD_PARAM('c', "config", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_rotate_key = {
	.name = "pop3-policy rotate-key",
	.cmd = cmd_rotate_key,
	.usage = "[-c <service's settings>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('c', "config", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};
