#ifndef DOVEADM_POP3_POLICY_PSQL_H
#define DOVEADM_POP3_POLICY_PSQL_H

/* psql as a child process, for what needs the owner of the schema. The service
   does not know that login, and the files of the schema are written for psql. */

struct doveadm_cmd_context;

struct doveadm_pop3_policy_psql {
	/* libpq connection string or URI, without a password; a database's
	   name is one */
	const char *conninfo;
	/* user of the system that psql runs as, NULL for the one we are */
	const char *system_user;
	/* directory of install.sql and upgrade.sql */
	const char *sql_dir;
};

#define DOVEADM_POP3_POLICY_PSQL_PARAMS \
DOVEADM_CMD_PARAM('c', "connect", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('r', "run-as", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('d', "sql-dir", CMD_PARAM_STR, 0)

#define DOVEADM_POP3_POLICY_PSQL_USAGE \
	"-c <connection string> [-r <system user>] [-d <directory>]"

/* Read the options. Returns 0 if ok; if not -1, an error is logged, and
   doveadm's exit code is set. */
int doveadm_pop3_policy_psql_params(struct doveadm_cmd_context *cctx,
				    struct doveadm_pop3_policy_psql *psql_r);

/* Run psql with further arguments (NULL terminated), and wait for its end. Its
   errors go to stderr. What it printed is *output_r, from the data stack; with
   output_r NULL that goes to our stdout. stdout_fd is where it goes instead, or
   -1. Returns 0 if ok; if not -1, an error is logged, and doveadm's exit code
   is set. */
int doveadm_pop3_policy_psql_run(const struct doveadm_pop3_policy_psql *psql,
				 const char *const *args, int stdout_fd,
				 const char **output_r);

#endif
