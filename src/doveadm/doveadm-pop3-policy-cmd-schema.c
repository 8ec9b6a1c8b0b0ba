/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* schema: which version the database has, and what services were made for;
   install and upgrade it. As the schema's owner, without the service, which may
   not run with what is there. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-compat.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-psql.h"

#define SCHEMA_IS_THERE_SQL \
	"SELECT to_regclass('pop3.schema_version') IS NOT NULL"

/* part, version, since, what */
#define SCHEMA_SHOW_SQL \
	"SELECT 'database', max(v.version), " \
	"to_char(max(v.applied_at) AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD HH24:MI:SS'), current_database() " \
	"FROM pop3.schema_version v " \
	"UNION ALL (SELECT 'service', c.service_schema, " \
	"to_char(c.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), " \
	"'chain ' || c.chain_id FROM pop3.chain c ORDER BY c.opened_at DESC)"

/* The version that install.sql and upgrade.sql of the directory make. */
static int
schema_of_files(const struct doveadm_pop3_policy_psql *psql,
		const char **version_r)
{
	const char *path = t_strconcat(psql->sql_dir, "/upgrade.sql", NULL);
	const char *line;
	struct istream *input = i_stream_create_file(path, 4096);

	*version_r = NULL;
	while (*version_r == NULL &&
	       (line = i_stream_read_next_line(input)) != NULL) {
		if (str_begins_with(line, "\\set current "))
			*version_r = t_strdup(line + strlen("\\set current "));
	}
	if (input->stream_errno != 0) {
		doveadm_pop3_policy_failed(EX_NOINPUT, t_strdup_printf(
			"%s (say by --sql-dir where the files of the schema "
			"are)", i_stream_get_error(input)));
	} else if (*version_r == NULL) {
		doveadm_pop3_policy_failed(EX_DATAERR, t_strdup_printf(
			"%s tells no version", path));
	}
	i_stream_unref(&input);
	return *version_r == NULL ? -1 : 0;
}

static void schema_print(const char *part, const char *version,
			 const char *since, const char *what)
{
	doveadm_print(part);
	doveadm_print(version);
	doveadm_print(since);
	doveadm_print(what);
}

static int
schema_is_there(const struct doveadm_pop3_policy_psql *psql, bool *there_r)
{
	const char *const args[] = { "-At", "-c", SCHEMA_IS_THERE_SQL, NULL };
	const char *output;

	if (doveadm_pop3_policy_psql_run(psql, args, -1, &output) < 0)
		return -1;
	*there_r = *output == 't';
	return 0;
}

static void schema_show(const struct doveadm_pop3_policy_psql *psql)
{
	const char *const args[] = {
		"-At", "-F", "\t", "-c", SCHEMA_SHOW_SQL, NULL
	};
	const char *const *lines, *const *fields;
	const char *release, *output = "";
	bool there;

	if (schema_of_files(psql, &release) < 0 ||
	    schema_is_there(psql, &there) < 0 ||
	    (there && doveadm_pop3_policy_psql_run(psql, args, -1,
						   &output) < 0))
		return;
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	doveadm_print_header_simple("part");
	doveadm_print_header("version", "version",
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY);
	doveadm_print_header_simple("since");
	doveadm_print_header("what", "what", DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	schema_print("release", release, "", psql->sql_dir);
	if (!there)
		schema_print("database", "", "", "no schema pop3");
	lines = t_strsplit(output, "\n");
	for (; *lines != NULL; lines++) {
		fields = t_strsplit(*lines, "\t");
		if (str_array_length(fields) == 4) {
			schema_print(fields[0], fields[1], fields[2],
				     fields[3]);
		}
	}
}

static void
schema_run_file(const struct doveadm_pop3_policy_psql *psql, const char *name)
{
	const char *release;
	const char *args[] = {
		"-f", t_strdup_printf("%s/%s", psql->sql_dir, name), NULL
	};

	/* it is there, too, where the file is */
	if (schema_of_files(psql, &release) < 0 ||
	    doveadm_pop3_policy_psql_run(psql, args, -1, NULL) < 0)
		return;
	if (strcmp(name, "install.sql") == 0) {
		e_info(doveadm_pop3_policy_event,
		       "Schema pop3 was installed, version %s", release);
	}
}

static void cmd_schema(struct doveadm_cmd_context *cctx)
{
	struct doveadm_pop3_policy_psql psql;
	const char *verb = "show";

	(void)doveadm_cmd_param_str(cctx, "verb", &verb);
	if (strcmp(verb, "show") != 0 && strcmp(verb, "install") != 0 &&
	    strcmp(verb, "upgrade") != 0) {
		doveadm_pop3_policy_failed(EX_USAGE, t_strdup_printf(
			"%s: not one of show, install, upgrade", verb));
		return;
	}
	if (doveadm_pop3_policy_psql_params(cctx, &psql) < 0)
		return;
	if (strcmp(verb, "show") == 0)
		schema_show(&psql);
	else
		schema_run_file(&psql, t_strconcat(verb, ".sql", NULL));
}

struct doveadm_cmd_ver2 doveadm_pop3_policy_cmd_schema = {
	.name = "pop3-policy schema",
	.cmd = cmd_schema,
	.usage = DOVEADM_POP3_POLICY_PSQL_USAGE" [show|install|upgrade]",
DOVEADM_CMD_PARAMS_START
DOVEADM_POP3_POLICY_PSQL_PARAMS
DOVEADM_CMD_PARAM('\0', "verb", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
