/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "master-service.h"
#include "pop3-policy-unconfigured.h"

#include <unistd.h>

/* How soon it is noticed that the file is there. */
#define POP3_POLICY_UNCONFIGURED_CHECK_MSECS 1000

static const char *unconfigured_path;

bool pop3_policy_is_unconfigured(const char *config_path)
{
	return access(config_path, F_OK) < 0 && errno == ENOENT;
}

static void pop3_policy_unconfigured_check(void *context ATTR_UNUSED)
{
	/* as the service's user, who may not be let into the directory: then
	   a reload is needed */
	if (access(unconfigured_path, F_OK) == 0)
		master_service_stop(master_service);
}

/* A mail process that finds its connection closed answers [SYS/TEMP]. */
static void
pop3_policy_unconfigured_connected(struct master_service_connection *conn
				   ATTR_UNUSED)
{
	/* not accepted: lib-master closes it */
}

void pop3_policy_unconfigured_run(const char *config_path)
{
	struct timeout *to;

	unconfigured_path = config_path;
	i_warning("Not configured: %s does not exist. Sessions that ask for a "
		  "policy are refused until it does", config_path);
	to = timeout_add(POP3_POLICY_UNCONFIGURED_CHECK_MSECS,
			 pop3_policy_unconfigured_check, NULL);
	master_service_run(master_service, pop3_policy_unconfigured_connected);
	timeout_remove(&to);
}
