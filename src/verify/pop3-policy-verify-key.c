/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "istream.h"
#include "safe-memset.h"
#include "pop3-policy-verify-key.h"

#include <fcntl.h>

#define VERIFY_KEY_MAX_LINE 1024

void pop3_policy_verify_keys_free(struct pop3_policy_verify_key **keys)
{
	struct pop3_policy_verify_key *key;

	while ((key = *keys) != NULL) {
		*keys = key->next;
		pop3_policy_chain_mac_deinit(&key->mac);
		i_free(key);
	}
}

const struct pop3_policy_verify_key *
pop3_policy_verify_key_find(const struct pop3_policy_verify_key *keys,
			    const char *id)
{
	for (; keys != NULL; keys = keys->next) {
		if (strcmp(pop3_policy_chain_mac_key_id(keys->mac), id) == 0)
			return keys;
	}
	return NULL;
}

static int verify_key_add(const char *id, const unsigned char *secret,
			  struct pop3_policy_verify_key **keys,
			  const char **error_r)
{
	struct pop3_policy_verify_key *key;
	struct pop3_policy_chain_mac *mac;

	mac = pop3_policy_chain_mac_init(secret, error_r);
	if (mac == NULL)
		return -1;
	if (strcmp(pop3_policy_chain_mac_key_id(mac), id) != 0) {
		pop3_policy_chain_mac_deinit(&mac);
		*error_r = "the id is not that of the key";
		return -1;
	}
	/* a file may be named twice */
	if (pop3_policy_verify_key_find(*keys, id) != NULL) {
		pop3_policy_chain_mac_deinit(&mac);
		return 0;
	}
	key = i_new(struct pop3_policy_verify_key, 1);
	key->mac = mac;
	key->next = *keys;
	*keys = key;
	return 0;
}

static int verify_key_line(const char *line,
			   struct pop3_policy_verify_key **keys,
			   const char **error_r)
{
	buffer_t *secret = t_buffer_create(POP3_POLICY_CHAIN_KEY_SIZE);
	const char *space = strchr(line, ' ');
	int ret;

	if (space == NULL ||
	    strlen(space + 1) != 2 * POP3_POLICY_CHAIN_KEY_SIZE ||
	    hex_to_binary(space + 1, secret) < 0) {
		*error_r = "it is not of the form: ID KEY";
		return -1;
	}
	ret = verify_key_add(t_strdup_until(line, space), secret->data, keys,
			     error_r);
	safe_memset(buffer_get_modifiable_data(secret, NULL), 0, secret->used);
	return ret;
}

int pop3_policy_verify_keys_read(const char *path,
				 struct pop3_policy_verify_key **keys,
				 const char **error_r)
{
	struct istream *input;
	const char *line;
	unsigned int linenum = 0;
	int fd = open(path, O_RDONLY), ret = 0;

	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	input = i_stream_create_fd_autoclose(&fd, VERIFY_KEY_MAX_LINE);
	i_stream_set_return_partial_line(input, TRUE);
	while (ret == 0 && (line = i_stream_read_next_line(input)) != NULL) {
		linenum++;
		if (*line == '\0' || *line == '#')
			continue;
		ret = verify_key_line(line, keys, error_r);
		if (ret < 0) {
			*error_r = t_strdup_printf("%s line %u: %s", path,
						   linenum, *error_r);
		}
	}
	if (ret == 0 && input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	} else if (ret == 0 && !input->eof) {
		*error_r = t_strdup_printf("%s line %u: it is too long", path,
					   linenum + 1);
		ret = -1;
	}
	i_stream_unref(&input);
	return ret;
}
