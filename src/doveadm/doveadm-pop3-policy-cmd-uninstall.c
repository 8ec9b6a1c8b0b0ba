/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* uninstall: count what clients would see again without the plugin. Then, a
   command each: uninstall convert, export, drop. */

#include "lib.h"
#include "array.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-hidden.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-psql.h"
#include "doveadm-pop3-policy-users.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT_TABLES_SQL \
	"SELECT c.relname FROM pg_catalog.pg_class c " \
	"WHERE c.relnamespace = 'pop3'::pg_catalog.regnamespace " \
	"AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"

/* --- count --- */

/* Returns 0 and the users that the options name, all without one. */
static int
uninstall_users(struct doveadm_cmd_context *cctx, pool_t pool,
		ARRAY_TYPE(doveadm_pop3_policy_hidden) *hidden)
{
	const char *const *users;
	struct istream *input;
	const char *mask = "*";
	bool many;

	if (!doveadm_cmd_param_istream(cctx, "user-file", &input) &&
	    (!doveadm_cmd_param_str(cctx, "user", &mask) ||
	     strpbrk(mask, "*?") != NULL))
		return doveadm_pop3_policy_hidden(pool, mask, hidden);
	if (doveadm_pop3_policy_users(cctx, pool, &users, &many) < 0)
		return -1;
	for (; *users != NULL; users++) {
		if (doveadm_pop3_policy_hidden(pool, *users, hidden) < 0)
			return -1;
	}
	return 0;
}

static void
uninstall_print(const ARRAY_TYPE(doveadm_pop3_policy_hidden) *hidden)
{
	const struct doveadm_pop3_policy_hidden *h;
	uint64_t sum = 0;
	unsigned int users = 0;

	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	doveadm_print_header("username", "username",
			     DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	doveadm_print_header("hidden", "hidden",
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY |
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	array_foreach(hidden, h) {
		if (!h->acts)
			continue;
		doveadm_print(h->username);
		doveadm_print_num(h->count);
		users++;
		sum += h->count;
	}
	e_info(doveadm_pop3_policy_event, "%"PRIu64" hidden messages of %u "
	       "users would be seen by POP3 clients again, and what a view "
	       "(view_since, view_window, view_limit) leaves out. Nothing was "
	       "changed", sum, users);
}

static void cmd_uninstall(struct doveadm_cmd_context *cctx)
{
	ARRAY_TYPE(doveadm_pop3_policy_hidden) hidden;
	pool_t pool = pool_alloconly_create("pop3 policy hidden", 16 * 1024);

	p_array_init(&hidden, pool, 128);
	if (uninstall_users(cctx, pool, &hidden) == 0)
		uninstall_print(&hidden);
	pool_unref(&pool);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_uninstall = {
	.name = "pop3-policy uninstall",
	.cmd = cmd_uninstall,
	.usage = "[-n] ["DOVEADM_POP3_POLICY_USER_USAGE"]",
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_USER_PARAMS
/* it never does more */
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
};

/* --- export --- */

/* Returns 0 if the file is complete, and its size. */
static int
export_table(const struct doveadm_pop3_policy_psql *psql, const char *table,
	     const char *path, uoff_t *size_r)
{
	const char *args[] = {
		"-c", t_strdup_printf("COPY (SELECT * FROM pop3.\"%s\") "
				      "TO STDOUT WITH (FORMAT csv, HEADER)",
				      table), NULL
	};
	struct stat st;
	int fd, ret;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0) {
		doveadm_pop3_policy_failed(EX_CANTCREAT,
			t_strdup_printf("open(%s) failed: %m", path));
		return -1;
	}
	ret = doveadm_pop3_policy_psql_run(psql, args, fd, NULL);
	if (ret == 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0)) {
		doveadm_pop3_policy_failed(EX_IOERR,
			t_strdup_printf("fsync(%s) failed: %m", path));
		ret = -1;
	}
	i_close_fd(&fd);
	if (ret < 0)
		i_unlink(path);
	else
		*size_r = st.st_size;
	return ret;
}

static void
export_tables(const struct doveadm_pop3_policy_psql *psql,
	      const char *directory)
{
	const char *const args[] = { "-At", "-c", EXPORT_TABLES_SQL, NULL };
	const char *output, *path, *const *tables;
	uoff_t size;

	if (doveadm_pop3_policy_psql_run(psql, args, -1, &output) < 0)
		return;
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	doveadm_print_header("file", "file", DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	doveadm_print_header("bytes", "bytes",
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY |
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	for (tables = t_strsplit(output, "\n"); *tables != NULL; tables++) {
		if (**tables == '\0')
			continue;
		path = t_strdup_printf("%s/%s.csv", directory, *tables);
		if (export_table(psql, *tables, path, &size) < 0)
			return;
		doveadm_print(path);
		doveadm_print_num(size);
	}
}

static void cmd_export(struct doveadm_cmd_context *cctx)
{
	struct doveadm_pop3_policy_psql psql;
	const char *directory;

	if (!doveadm_cmd_param_str(cctx, "directory", &directory))
		help_ver2(cctx->cmd);
	if (doveadm_pop3_policy_psql_params(cctx, &psql) < 0)
		return;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		doveadm_pop3_policy_failed(EX_CANTCREAT,
			t_strdup_printf("mkdir(%s) failed: %m", directory));
		return;
	}
	export_tables(&psql, directory);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_export = {
	.name = "pop3-policy uninstall export",
	.cmd = cmd_export,
	.usage = DOVEADM_POP3_POLICY_PSQL_USAGE" <directory>",
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_PSQL_PARAMS
DOVEADM_CMD_PARAM('\0', "directory", CMD_PARAM_STR,
		  CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};

/* --- drop --- */

static void cmd_drop(struct doveadm_cmd_context *cctx)
{
	struct doveadm_pop3_policy_psql psql;
	bool yes = FALSE, hidden = FALSE;

	(void)doveadm_cmd_param_bool(cctx, "yes", &yes);
	(void)doveadm_cmd_param_bool(cctx, "even-hidden", &hidden);
	if (doveadm_pop3_policy_psql_params(cctx, &psql) < 0)
		return;
	if (!yes) {
		doveadm_pop3_policy_failed(EX_DATAERR,
			"This drops schema pop3: policies, state, sessions and "
			"audit, for good. Nothing was changed. If that is "
			"meant, say --yes");
		return;
	}

	const char *args[] = {
		"-v", hidden ? "even_hidden=1" : "even_hidden=0",
		"-f", t_strconcat(psql.sql_dir, "/uninstall.sql", NULL), NULL
	};

	(void)doveadm_pop3_policy_psql_run(&psql, args, -1, NULL);
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_drop = {
	.name = "pop3-policy uninstall drop",
	.cmd = cmd_drop,
	.usage = DOVEADM_POP3_POLICY_PSQL_USAGE" [-e] -y",
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_PSQL_PARAMS
DOVEADM_CMD_PARAM('e', "even-hidden", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('y', "yes", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
};
