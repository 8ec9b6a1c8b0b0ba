/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "randgen.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-seal.h"

/* Most rows have shorter forms. */
#define POP3_POLICY_SEAL_FORM_SIZE 512

void pop3_policy_seal_begin(struct pop3_policy_seal *seal,
	struct pop3_policy_chain_mac *mac,
	const unsigned char chain_id[STATIC_ARRAY POP3_POLICY_CHAIN_ID_SIZE],
	int64_t first_seq, unsigned int count,
	const unsigned char prev_mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	i_zero(seal);
	seal->mac = mac;
	seal->next_seq = first_seq;
	memcpy(seal->chain_id, chain_id, sizeof(seal->chain_id));
	memcpy(seal->prev_mac, prev_mac, sizeof(seal->prev_mac));
	memcpy(seal->last_mac, prev_mac, sizeof(seal->last_mac));
	seal->salts = buffer_create_dynamic(default_pool,
		count * POP3_POLICY_CHAIN_SALT_SIZE);
	seal->digests = buffer_create_dynamic(default_pool,
		count * POP3_POLICY_CHAIN_DIGEST_SIZE);
	seal->macs = buffer_create_dynamic(default_pool,
		count * POP3_POLICY_CHAIN_MAC_SIZE);
	seal->form = buffer_create_dynamic(default_pool,
					   POP3_POLICY_SEAL_FORM_SIZE);
	seal->personal = buffer_create_dynamic(default_pool,
					       POP3_POLICY_SEAL_FORM_SIZE);
}

void pop3_policy_seal_end(struct pop3_policy_seal *seal)
{
	buffer_free(&seal->salts);
	buffer_free(&seal->digests);
	buffer_free(&seal->macs);
	buffer_free(&seal->form);
	buffer_free(&seal->personal);
}

static void
pop3_policy_seal_form(buffer_t *form, char kind, bool personal,
		      const char *const *values)
{
	const char *const *names =
		pop3_policy_chain_form_columns(kind, personal);

	buffer_set_used_size(form, 0);
	for (; *names != NULL; names++, values++)
		pop3_policy_chain_form_add(form, *values);
}

void pop3_policy_seal_add(struct pop3_policy_seal *seal, char kind,
			  const char *const *values,
			  const char *const *personal_values)
{
	unsigned char *salt, *digest;

	pop3_policy_seal_form(seal->form, kind, FALSE, values);
	pop3_policy_seal_form(seal->personal, kind, TRUE, personal_values);

	salt = buffer_append_space_unsafe(seal->salts,
					  POP3_POLICY_CHAIN_SALT_SIZE);
	random_fill(salt, POP3_POLICY_CHAIN_SALT_SIZE);
	digest = buffer_append_space_unsafe(seal->digests,
					    POP3_POLICY_CHAIN_DIGEST_SIZE);
	pop3_policy_chain_mac_digest(seal->mac, salt, seal->personal, digest);
	pop3_policy_chain_mac_row(seal->mac, seal->last_mac, seal->chain_id,
				  seal->next_seq, kind, seal->form, digest,
				  seal->last_mac);
	buffer_append(seal->macs, seal->last_mac, sizeof(seal->last_mac));
	seal->next_seq++;
}

/* The values, one for each column. */
static int
pop3_policy_seal_parse(char kind, bool personal, const char *text,
		       const char *const **values_r, const char **error_r)
{
	unsigned int count;

	if (pop3_policy_array_parse(pool_datastack_create(), text, values_r,
				    &count, error_r) < 0)
		return -1;
	if (count != str_array_length(
			pop3_policy_chain_form_columns(kind, personal))) {
		*error_r = t_strdup_printf("%u columns are not those of the "
					   "form", count);
		return -1;
	}
	return 0;
}

int pop3_policy_seal_add_text(struct pop3_policy_seal *seal, const char *kind,
			      const char *values, const char *personal_values,
			      const char **error_r)
{
	const char *const *public_columns, *const *personal_columns;

	if (kind == NULL ||
	    (strcmp(kind, "A") != 0 && strcmp(kind, "S") != 0)) {
		*error_r = "a row of an unknown kind";
		return -1;
	}
	if (pop3_policy_seal_parse(*kind, FALSE, values, &public_columns,
				   error_r) < 0 ||
	    pop3_policy_seal_parse(*kind, TRUE, personal_values,
				   &personal_columns, error_r) < 0)
		return -1;
	pop3_policy_seal_add(seal, *kind, public_columns, personal_columns);
	return 0;
}
