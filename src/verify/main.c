/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* pop3-policy-verify: check the audit chains of a database, or begin a new key.
   doveadm pop3-policy verify runs it.

   As root it reads the settings and the keys, and then becomes the owner of
   state_dir, as whom the service runs. */

#include "lib.h"
#include "array.h"
#include "guid.h"
#include "lib-event.h"
#include "pop3-policy-service-settings.h"
#include "pop3-policy-verify.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-key.h"
#include "pop3-policy-verify-rotate.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define VERIFY_FOUND 1

#define VERIFY_USAGE \
"Usage: pop3-policy-verify -c FILE [-s DIR] [-k FILE]... [-a TIME] [-b TIME]\n" \
"                          [-i CHAIN] [-T]\n" \
"       pop3-policy-verify -c FILE [-s DIR] -R\n" \
"  -c, --config FILE    settings of the pop3-policy service\n" \
"  -s, --state-dir DIR  its state_dir, if the settings name none\n" \
"  -k, --key-file FILE  keys of another host; more than once\n" \
"  -a, --since TIME     batches written at this time or later\n" \
"  -b, --until TIME     batches written before this time\n" \
"  -i, --chain CHAIN    this chain alone\n" \
"  -T, --tab            chain, first and last number, time, event, result\n" \
"                       (found, verified, waiting) and text between tabs\n" \
"  -R, --rotate-key     add a new key, and verify nothing\n"

struct verify_options {
	const char *config, *state_dir, *since, *until, *chain;
	ARRAY_TYPE(const_string) key_files;
	bool rotate, tab;
};

static void ATTR_NORETURN verify_usage(void)
{
	fputs(VERIFY_USAGE, stderr);
	lib_exit(EX_USAGE);
}

static void verify_parse_options(int argc, char *argv[],
				 struct verify_options *options)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "key-file", required_argument, NULL, 'k' },
		{ "since", required_argument, NULL, 'a' },
		{ "until", required_argument, NULL, 'b' },
		{ "chain", required_argument, NULL, 'i' },
		{ "rotate-key", no_argument, NULL, 'R' },
		{ "tab", no_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 }
	};
	const char *value;
	guid_128_t id;
	int c;

	i_zero(options);
	t_array_init(&options->key_files, 4);
	while ((c = getopt_long(argc, argv, "c:s:k:a:b:i:RT", longopts,
				NULL)) != -1) {
		value = optarg;
		switch (c) {
		case 'c':
			options->config = value;
			break;
		case 's':
			options->state_dir = value;
			break;
		case 'k':
			array_push_back(&options->key_files, &value);
			break;
		case 'a':
			options->since = value;
			break;
		case 'b':
			options->until = value;
			break;
		case 'i':
			if (guid_128_from_uuid_string(value, id) < 0) {
				i_fatal_status(EX_USAGE,
					"%s is no chain: their names are "
					"UUIDs", value);
			}
			options->chain = pop3_policy_verify_uuid(id);
			break;
		case 'R':
			options->rotate = TRUE;
			break;
		case 'T':
			options->tab = TRUE;
			break;
		default:
			verify_usage();
		}
	}
	if (options->config == NULL || optind != argc)
		verify_usage();
}

/* The user of the service owns its directory. */
static void verify_become_owner(const char *dir)
{
	struct stat st;
	struct passwd *pw;

	if (geteuid() != 0)
		return;
	if (stat(dir, &st) < 0)
		i_fatal_status(EX_TEMPFAIL, "stat(%s) failed: %m", dir);
	if (st.st_uid == 0)
		return;
	pw = getpwuid(st.st_uid);
	if ((pw == NULL ? setgroups(0, NULL) :
	     initgroups(pw->pw_name, pw->pw_gid)) < 0 ||
	    setgid(pw == NULL ? st.st_gid : pw->pw_gid) < 0 ||
	    setuid(st.st_uid) < 0) {
		i_fatal_status(EX_TEMPFAIL, "Cannot become the owner of %s: %m",
			       dir);
	}
}

static const char *verify_key_path(const struct pop3_policy_service_settings *set,
				   const char *state_dir)
{
	return *set->key_file != '\0' ? set->key_file :
		t_strconcat(state_dir, "/audit.key", NULL);
}

static struct pop3_policy_verify_key *
verify_read_keys(const struct verify_options *options, const char *own)
{
	struct pop3_policy_verify_key *keys = NULL;
	const char *path, *error;

	if (pop3_policy_verify_keys_read(own, &keys, &error) < 0) {
		/* a host that only verifies has none of its own */
		if (errno != ENOENT || array_count(&options->key_files) == 0)
			i_fatal_status(EX_TEMPFAIL, "%s", error);
	}
	array_foreach_elem(&options->key_files, path) {
		if (pop3_policy_verify_keys_read(path, &keys, &error) < 0)
			i_fatal_status(EX_USAGE, "%s", error);
	}
	return keys;
}

/* --- as the service's user --- */

static int
verify_chains(const struct verify_options *options,
	      const struct pop3_policy_service_settings *set,
	      const char *state_dir, struct pop3_policy_verify_key *keys)
{
	struct pop3_policy_verify_settings verify_set;
	struct pop3_policy_verify_checkpoint_file *file;
	struct pop3_policy_verify_db *db;
	unsigned int found;
	const char *error;

	i_zero(&verify_set);
	verify_set.keys = keys;
	verify_set.span.chain_id = options->chain;
	verify_set.tab = options->tab;
	/* before the database: what is written meanwhile is in neither */
	i_array_init(&verify_set.checkpoint_files, 4);
	if (pop3_policy_verify_checkpoint_files(state_dir,
			&verify_set.checkpoint_files, &error) < 0)
		i_fatal_status(EX_TEMPFAIL, "%s", error);
	db = *set->admin_connect != '\0' ?
		pop3_policy_verify_db_init(set->admin_connect, NULL) :
		pop3_policy_verify_db_init(set->connect, "pop3_admin");
	verify_set.span.since = options->since == NULL ? INT64_MIN :
		pop3_policy_verify_db_time(db, options->since);
	verify_set.span.until = options->until == NULL ? INT64_MAX :
		pop3_policy_verify_db_time(db, options->until);

	found = pop3_policy_verify_run(db, &verify_set);

	pop3_policy_verify_db_deinit(&db);
	array_foreach_modifiable(&verify_set.checkpoint_files, file)
		i_free(file->path);
	array_free(&verify_set.checkpoint_files);
	return found == 0 ? 0 : VERIFY_FOUND;
}

static int verify_main(const struct verify_options *options, pool_t pool)
{
	struct pop3_policy_service_settings set;
	struct pop3_policy_verify_key *keys = NULL;
	const char *state_dir, *key_path, *error;
	int ret;

	if (pop3_policy_service_settings_read(pool, options->config, &set,
					      &error) < 0)
		i_fatal_status(EX_USAGE, "%s", error);
	state_dir = *set.state_dir != '\0' ? set.state_dir :
		options->state_dir;
	if (state_dir == NULL) {
		i_fatal_status(EX_USAGE, "%s does not say where state_dir is: "
			       "--state-dir", options->config);
	}
	key_path = verify_key_path(&set, state_dir);
	if (!options->rotate)
		keys = verify_read_keys(options, key_path);
	verify_become_owner(state_dir);
	if (options->rotate)
		return pop3_policy_verify_rotate(key_path);
	ret = verify_chains(options, &set, state_dir, keys);
	pop3_policy_verify_keys_free(&keys);
	return ret;
}

int main(int argc, char *argv[])
{
	struct verify_options options;
	pool_t pool;
	int ret;

	lib_init();
	T_BEGIN {
		verify_parse_options(argc, argv, &options);
		pool = pool_alloconly_create("verify", 1024);
		ret = verify_main(&options, pool);
		pool_unref(&pool);
	} T_END;
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		i_fatal_status(EX_TEMPFAIL, "write(stdout) failed: %m");
	lib_deinit();
	return ret;
}
