/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "lib-event.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "mkdir-parents.h"
#include "restrict-access.h"
#include "time-util.h"
#include "pop3-policy-admin.h"
#include "pop3-policy-chain-id.h"
#include "pop3-policy-client.h"
#include "pop3-policy-clock-check.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-key.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-maintain.h"
#include "pop3-policy-order.h"
#include "pop3-policy-plain.h"
#include "pop3-policy-policy-cache.h"
#include "pop3-policy-polls.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-service.h"
#include "pop3-policy-unconfigured.h"
#include "pop3-policy-state-cache.h"
#include "pop3-policy-state-feed.h"
#include "pop3-policy-usage.h"
#include "pop3-policy-writer.h"

/* How long the end may take to write what is queued, and how long it waits for
   clients that are being stopped as well and have something to say. */
#define POP3_POLICY_STOP_MSECS 5000
#define POP3_POLICY_STOP_CLIENTS_MSECS 300

/* What users have on the server is written at least so often. */
#define POP3_POLICY_USAGE_SECS 60

/* A listener whose name ends so is for administrators. */
#define POP3_POLICY_ADMIN_SOCKET_SUFFIX "-admin"

struct event_category event_category_pop3_policy = {
	.name = "pop3-policy",
};

static struct pop3_policy_service *service;

static void pop3_policy_connected(struct master_service_connection *conn)
{
	const char *name = strrchr(conn->name, '-');

	pop3_policy_client_create(service, conn->fd, name != NULL &&
		strcmp(name, POP3_POLICY_ADMIN_SOCKET_SUFFIX) == 0);
	master_service_client_connection_accept(conn);
}

/* "-c FILE" names our own settings. Dovecot's getopt would take it for its main
   configuration, so it is taken out before that sees it. */
static const char *pop3_policy_take_config_arg(int *argc, char **argv)
{
	const char *path = NULL;
	int i, dest = 1;

	for (i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < *argc)
			path = argv[++i];
		else
			argv[dest++] = argv[i];
	}
	*argc = dest;
	argv[dest] = NULL;
	return path;
}

/* While still root, where Dovecot started it so: the service's user cannot
   make directories in Dovecot's state_dir. */
static void pop3_policy_make_state_dir(const char *dir)
{
	struct restrict_access_settings rset;

	restrict_access_get_env(&rset);
	if (mkdir_chown(dir, 0700, geteuid() == 0 ? rset.uid : (uid_t)-1,
			geteuid() == 0 ? rset.gid : (gid_t)-1) < 0 &&
	    errno != EEXIST)
		i_fatal("mkdir(%s) for the setting state_dir failed: %m", dir);
}

static void pop3_policy_preinit(const char *config_path, pool_t pool)
{
	const struct master_service_settings *master_set =
		master_service_settings_get(master_service);
	const char *error;

	service = p_new(pool, struct pop3_policy_service, 1);
	if (pop3_policy_service_settings_read(pool, config_path, &service->set,
					      &error) < 0)
		i_fatal("%s", error);
	if (*service->set.state_dir == '\0') {
		service->set.state_dir = p_strconcat(pool,
			master_set->state_dir, "/pop3-policy", NULL);
	}
	if (*service->set.key_file == '\0') {
		service->set.key_file = p_strconcat(pool,
			service->set.state_dir, "/audit.key", NULL);
	}
	pop3_policy_make_state_dir(service->set.state_dir);

	restrict_access_by_env(RESTRICT_ACCESS_FLAG_ALLOW_ROOT, NULL);
	restrict_access_allow_coredumps(TRUE);
}

static void pop3_policy_init(void)
{
	struct pop3_policy_chain_id *chain;
	struct pop3_policy_key *key;
	const char *error;

	service->event = event_create(NULL);
	event_add_category(service->event, &event_category_pop3_policy);
	if (pop3_policy_chain_id_open(service->set.state_dir, &chain,
				      &error) < 0)
		i_fatal("%s", error);
	if (pop3_policy_key_open(service->event, service->set.key_file, &key,
				 &error) < 0)
		i_fatal("%s", error);
	service->pool = pop3_policy_pool_init(service->event, &service->set);
	service->states = pop3_policy_state_cache_init(
		service->set.offline_users, service->set.offline_time);
	service->writer = pop3_policy_writer_init(service->event,
						  &service->set, service->pool,
						  service->states, &chain,
						  &key);
	service->polls = pop3_policy_polls_init(service->writer,
						service->set.poll_interval);
	service->imap_use = pop3_policy_imap_use_init(service->writer,
						      service->pool);
	service->usage = pop3_policy_usage_init(service->writer, service->pool,
						I_MIN(service->set.poll_interval,
						      POP3_POLICY_USAGE_SECS));
	service->plain = pop3_policy_plain_init(service->writer, service->pool);
	service->clock = pop3_policy_clock_check_init(service->event);
	service->feed = pop3_policy_state_feed_init(service->states);
	service->policies = pop3_policy_cache_init(service->event,
						   &service->set,
						   service->pool,
						   service->feed);
	service->limits = pop3_policy_limits_init(service->policies);
	service->order = pop3_policy_order_init();
	service->maintain = pop3_policy_maintain_init(service->event,
						      &service->set);
	service->admin = pop3_policy_admin_init(service->event,
						&service->set);
}

static void pop3_policy_stop_tick(struct ioloop *ioloop)
{
	io_loop_stop(ioloop);
}

/* Write what is queued, for a limited time. Clients are served meanwhile: where
   all of Dovecot is stopped, sessions are ending right now. */
static void pop3_policy_flush(void)
{
	struct timeval start = ioloop_timeval;
	struct timeout *to;
	int msecs;

	to = timeout_add_short(20, pop3_policy_stop_tick, current_ioloop);
	for (;;) {
		msecs = timeval_diff_msecs(&ioloop_timeval, &start);
		if (msecs >= POP3_POLICY_STOP_MSECS)
			break;
		if (pop3_policy_clients_count() == 0 ||
		    msecs >= POP3_POLICY_STOP_CLIENTS_MSECS) {
			/* what they have sent is not lost with the sockets */
			pop3_policy_clients_read_all();
			pop3_policy_polls_flush(service->polls);
			pop3_policy_imap_use_flush(service->imap_use);
			pop3_policy_usage_flush(service->usage);
			pop3_policy_writer_flush(service->writer);
			if (pop3_policy_writer_is_idle(service->writer))
				break;
		}
		io_loop_run(current_ioloop);
	}
	timeout_remove(&to);
}

static void pop3_policy_deinit(void)
{
	master_service_stop_new_connections(master_service);
	pop3_policy_flush();
	service->stopping = TRUE;
	pop3_policy_maintain_deinit(&service->maintain);
	pop3_policy_clients_destroy_all();
	pop3_policy_admin_deinit(&service->admin);
	pop3_policy_order_deinit(&service->order);
	pop3_policy_limits_deinit(&service->limits);
	pop3_policy_cache_deinit(&service->policies);
	pop3_policy_state_feed_deinit(&service->feed);
	pop3_policy_clock_check_deinit(&service->clock);
	pop3_policy_plain_deinit(&service->plain);
	pop3_policy_usage_deinit(&service->usage);
	pop3_policy_imap_use_deinit(&service->imap_use);
	pop3_policy_polls_deinit(&service->polls);
	/* calls back what changes states */
	pop3_policy_writer_deinit(&service->writer);
	pop3_policy_state_cache_deinit(&service->states);
	pop3_policy_pool_deinit(&service->pool);
	event_unref(&service->event);
}

int main(int argc, char *argv[])
{
	const enum master_service_flags flags =
		MASTER_SERVICE_FLAG_NO_IDLE_DIE |
		MASTER_SERVICE_FLAG_NO_SSL_INIT |
		MASTER_SERVICE_FLAG_DISABLE_SSL_SET |
		MASTER_SERVICE_FLAG_UPDATE_PROCTITLE;
	const char *config_path, *error;
	pool_t pool;

	config_path = pop3_policy_take_config_arg(&argc, argv);
	master_service = master_service_init("pop3-policy", flags, &argc,
					     &argv, "");
	if (master_getopt(master_service) > 0)
		return FATAL_DEFAULT;
	if (pop3_policy_compat_settings_read(master_service, &error) < 0)
		i_fatal("Error reading configuration: %s", error);
	master_service_init_log(master_service);

	if (config_path == NULL) {
		i_fatal("The settings file is missing: executable = "
			"pop3-policy -c FILE");
	}
	if (pop3_policy_is_unconfigured(config_path)) {
		restrict_access_by_env(RESTRICT_ACCESS_FLAG_ALLOW_ROOT, NULL);
		master_service_init_finish(master_service);
		pop3_policy_unconfigured_run(config_path);
		master_service_deinit(&master_service);
		return 0;
	}

	pool = pool_alloconly_create("pop3 policy service", 1024);
	pop3_policy_preinit(config_path, pool);
	pop3_policy_init();
	master_service_init_finish(master_service);
	/* After a reload Dovecot ends it soon; with shutdown_clients=no it goes
	   on until the last client has left. */
	master_service_run(master_service, pop3_policy_connected);
	pop3_policy_deinit();
	pool_unref(&pool);
	master_service_deinit(&master_service);
	return 0;
}
