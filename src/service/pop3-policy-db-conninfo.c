/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-db.h"

#include <libpq-fe.h>

int pop3_policy_db_check_conninfo(const char *conninfo, const char **error_r)
{
	PQconninfoOption *options;
	char *error = NULL;

	/* libpq takes anything else for the name of a database */
	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return 0;
	options = PQconninfoParse(conninfo, &error);
	if (options == NULL) {
		*error_r = error == NULL ? "out of memory" :
			t_strcut(error, '\n');
		PQfreemem(error);
		return -1;
	}
	PQconninfoFree(options);
	return 0;
}
