/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "pop3-policy-chain-mac.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* A key's id tells nothing of it, and is no digest that is used elsewhere. */
#define POP3_POLICY_CHAIN_KEY_ID_PREFIX "pop3-policy key"

struct pop3_policy_chain_mac {
	EVP_MAC *hmac;
	EVP_MAC_CTX *hmac_ctx;
	EVP_MD *sha256;
	EVP_MD_CTX *sha256_ctx;
	char key_id[POP3_POLICY_CHAIN_KEY_ID_LEN + 1];
};

static const char *pop3_policy_chain_mac_error(const char *function)
{
	unsigned long code = ERR_get_error();
	char text[256];

	if (code == 0)
		return t_strdup_printf("OpenSSL: %s failed", function);
	ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return t_strdup_printf("OpenSSL: %s failed: %s", function, text);
}

/* Once a key is set only lack of memory makes OpenSSL fail. What is not sealed
   must not be taken for sealed. */
static void pop3_policy_chain_mac_check(int ret, const char *function)
{
	if (ret != 1) {
		i_fatal_status(FATAL_OUTOFMEM, "%s",
			       pop3_policy_chain_mac_error(function));
	}
}

static void
pop3_policy_chain_mac_sha256(struct pop3_policy_chain_mac *mac,
			     const void *data1, size_t size1,
			     const void *data2, size_t size2,
			     unsigned char *digest_r)
{
	pop3_policy_chain_mac_check(
		EVP_DigestInit_ex2(mac->sha256_ctx, mac->sha256, NULL),
		"EVP_DigestInit_ex2()");
	pop3_policy_chain_mac_check(
		EVP_DigestUpdate(mac->sha256_ctx, data1, size1),
		"EVP_DigestUpdate()");
	pop3_policy_chain_mac_check(
		EVP_DigestUpdate(mac->sha256_ctx, data2, size2),
		"EVP_DigestUpdate()");
	pop3_policy_chain_mac_check(
		EVP_DigestFinal_ex(mac->sha256_ctx, digest_r, NULL),
		"EVP_DigestFinal_ex()");
}

static void
pop3_policy_chain_mac_set_key_id(struct pop3_policy_chain_mac *mac,
				 const unsigned char *key)
{
	unsigned char digest[POP3_POLICY_CHAIN_DIGEST_SIZE];

	pop3_policy_chain_mac_sha256(mac, POP3_POLICY_CHAIN_KEY_ID_PREFIX,
		strlen(POP3_POLICY_CHAIN_KEY_ID_PREFIX), key,
		POP3_POLICY_CHAIN_KEY_SIZE, digest);
	i_strocpy(mac->key_id,
		  binary_to_hex(digest, POP3_POLICY_CHAIN_KEY_ID_LEN / 2),
		  sizeof(mac->key_id));
}

struct pop3_policy_chain_mac *
pop3_policy_chain_mac_init(const unsigned char
			   key[STATIC_ARRAY POP3_POLICY_CHAIN_KEY_SIZE],
			   const char **error_r)
{
	char digest_name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 digest_name, 0),
		OSSL_PARAM_construct_end()
	};
	struct pop3_policy_chain_mac *mac;

	mac = i_new(struct pop3_policy_chain_mac, 1);
	mac->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	mac->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (mac->hmac != NULL)
		mac->hmac_ctx = EVP_MAC_CTX_new(mac->hmac);
	mac->sha256_ctx = EVP_MD_CTX_new();
	if (mac->hmac_ctx == NULL || mac->sha256 == NULL ||
	    mac->sha256_ctx == NULL) {
		*error_r = pop3_policy_chain_mac_error(mac->hmac == NULL ?
			"EVP_MAC_fetch(HMAC)" : "EVP_MD_fetch(SHA256)");
		pop3_policy_chain_mac_deinit(&mac);
		return NULL;
	}
	if (EVP_MAC_init(mac->hmac_ctx, key, POP3_POLICY_CHAIN_KEY_SIZE,
			 params) != 1) {
		*error_r = pop3_policy_chain_mac_error("EVP_MAC_init()");
		pop3_policy_chain_mac_deinit(&mac);
		return NULL;
	}
	pop3_policy_chain_mac_set_key_id(mac, key);
	return mac;
}

void pop3_policy_chain_mac_deinit(struct pop3_policy_chain_mac **_mac)
{
	struct pop3_policy_chain_mac *mac = *_mac;

	*_mac = NULL;
	if (mac == NULL)
		return;
	/* it clears the key */
	EVP_MAC_CTX_free(mac->hmac_ctx);
	EVP_MAC_free(mac->hmac);
	EVP_MD_CTX_free(mac->sha256_ctx);
	EVP_MD_free(mac->sha256);
	i_free(mac);
}

const char *
pop3_policy_chain_mac_key_id(const struct pop3_policy_chain_mac *mac)
{
	return mac->key_id;
}

void pop3_policy_chain_mac_digest(
	struct pop3_policy_chain_mac *mac,
	const unsigned char salt[STATIC_ARRAY POP3_POLICY_CHAIN_SALT_SIZE],
	const buffer_t *personal,
	unsigned char digest_r[STATIC_ARRAY POP3_POLICY_CHAIN_DIGEST_SIZE])
{
	pop3_policy_chain_mac_sha256(mac, salt, POP3_POLICY_CHAIN_SALT_SIZE,
				     personal->data, personal->used, digest_r);
}

static void
pop3_policy_chain_mac_update(struct pop3_policy_chain_mac *mac,
			     const void *data, size_t size)
{
	pop3_policy_chain_mac_check(EVP_MAC_update(mac->hmac_ctx, data, size),
				    "EVP_MAC_update()");
}

void pop3_policy_chain_mac_row(
	struct pop3_policy_chain_mac *mac,
	const unsigned char prev[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE],
	const unsigned char chain_id[STATIC_ARRAY POP3_POLICY_CHAIN_ID_SIZE],
	int64_t seq, char kind, const buffer_t *form,
	const unsigned char digest[STATIC_ARRAY POP3_POLICY_CHAIN_DIGEST_SIZE],
	unsigned char mac_r[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	unsigned char seq_bytes[8];
	size_t size;

	cpu64_to_be_unaligned((uint64_t)seq, seq_bytes);
	/* without a key: with the same one as before */
	pop3_policy_chain_mac_check(EVP_MAC_init(mac->hmac_ctx, NULL, 0, NULL),
				    "EVP_MAC_init()");
	pop3_policy_chain_mac_update(mac, prev, POP3_POLICY_CHAIN_MAC_SIZE);
	pop3_policy_chain_mac_update(mac, chain_id,
				     POP3_POLICY_CHAIN_ID_SIZE);
	pop3_policy_chain_mac_update(mac, seq_bytes, sizeof(seq_bytes));
	pop3_policy_chain_mac_update(mac, &kind, 1);
	pop3_policy_chain_mac_update(mac, form->data, form->used);
	pop3_policy_chain_mac_update(mac, digest,
				     POP3_POLICY_CHAIN_DIGEST_SIZE);
	pop3_policy_chain_mac_check(
		EVP_MAC_final(mac->hmac_ctx, mac_r, &size,
			      POP3_POLICY_CHAIN_MAC_SIZE), "EVP_MAC_final()");
	i_assert(size == POP3_POLICY_CHAIN_MAC_SIZE);
}
