/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "lib-event.h"
#include "pop3-policy-key.h"
#include "pop3-policy-key-private.h"

struct pop3_policy_key {
	struct event *event;
	char *path;
	struct pop3_policy_chain_mac *mac;
	/* of the file when it was read */
	struct stat st;
	/* of the last look at it */
	time_t checked;
};

static bool pop3_policy_key_is_same(const struct stat *st1,
				    const struct stat *st2)
{
	return st1->st_ino == st2->st_ino && st1->st_dev == st2->st_dev &&
		st1->st_size == st2->st_size &&
		st1->st_mode == st2->st_mode &&
		st1->st_mtim.tv_sec == st2->st_mtim.tv_sec &&
		st1->st_mtim.tv_nsec == st2->st_mtim.tv_nsec;
}

int pop3_policy_key_open(struct event *event_parent, const char *path,
			 struct pop3_policy_key **key_r, const char **error_r)
{
	struct pop3_policy_chain_mac *mac;
	struct pop3_policy_key *key;
	struct stat st;
	bool created = FALSE;
	int ret;

	ret = pop3_policy_key_file_read(path, &mac, &st, error_r);
	if (ret == 0) {
		if (pop3_policy_key_file_create(path, error_r) < 0)
			return -1;
		created = TRUE;
		ret = pop3_policy_key_file_read(path, &mac, &st, error_r);
	}
	if (ret <= 0)
		return -1;

	key = i_new(struct pop3_policy_key, 1);
	key->event = event_create(event_parent);
	key->path = i_strdup(path);
	key->mac = mac;
	key->st = st;
	key->checked = ioloop_time;
	if (created) {
		e_info(key->event, "Made the key %s in %s, which seals what "
		       "is recorded: keep a copy of it elsewhere, nothing "
		       "can be verified without it",
		       pop3_policy_chain_mac_key_id(mac), path);
	}
	*key_r = key;
	return 0;
}

void pop3_policy_key_close(struct pop3_policy_key **_key)
{
	struct pop3_policy_key *key = *_key;

	*_key = NULL;
	if (key == NULL)
		return;
	pop3_policy_chain_mac_deinit(&key->mac);
	event_unref(&key->event);
	i_free(key->path);
	i_free(key);
}

static void pop3_policy_key_read_again(struct pop3_policy_key *key)
{
	struct pop3_policy_chain_mac *mac;
	struct stat st;
	const char *error;

	if (stat(key->path, &st) == 0 && pop3_policy_key_is_same(&st, &key->st))
		return;
	if (pop3_policy_key_file_read(key->path, &mac, &st, &error) <= 0) {
		/* once for each change */
		if (stat(key->path, &st) < 0)
			i_zero(&st);
		if (!pop3_policy_key_is_same(&st, &key->st)) {
			e_error(key->event, "The keys cannot be read again, "
				"the key %s goes on: %s",
				pop3_policy_chain_mac_key_id(key->mac), error);
		}
		key->st = st;
		return;
	}
	if (strcmp(pop3_policy_chain_mac_key_id(mac),
		   pop3_policy_chain_mac_key_id(key->mac)) != 0) {
		e_info(key->event, "Sealing with the key %s from now on, "
		       "instead of %s", pop3_policy_chain_mac_key_id(mac),
		       pop3_policy_chain_mac_key_id(key->mac));
	}
	pop3_policy_chain_mac_deinit(&key->mac);
	key->mac = mac;
	key->st = st;
}

struct pop3_policy_chain_mac *
pop3_policy_key_current(struct pop3_policy_key *key)
{
	if (key->checked != ioloop_time) {
		key->checked = ioloop_time;
		T_BEGIN {
			pop3_policy_key_read_again(key);
		} T_END;
	}
	return key->mac;
}
