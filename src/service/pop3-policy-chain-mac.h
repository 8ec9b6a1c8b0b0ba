#ifndef POP3_POLICY_CHAIN_MAC_H
#define POP3_POLICY_CHAIN_MAC_H

/* What seals are made of, computed by OpenSSL. The MAC of a row n is

     HMAC-SHA-256(key, MAC of n-1 || chain_id || seq || kind || public form ||
                  digest)

   with a digest of SHA-256(salt || personal form). */

#include "pop3-policy-chain-form.h"

#define POP3_POLICY_CHAIN_KEY_SIZE 32
/* hexadecimal digits of a key's id */
#define POP3_POLICY_CHAIN_KEY_ID_LEN 16

struct pop3_policy_chain_mac;

/* Ready to compute with this key. Returns NULL + *error_r if OpenSSL cannot. */
struct pop3_policy_chain_mac *
pop3_policy_chain_mac_init(const unsigned char
			   key[STATIC_ARRAY POP3_POLICY_CHAIN_KEY_SIZE],
			   const char **error_r);
void pop3_policy_chain_mac_deinit(struct pop3_policy_chain_mac **mac);
/* The key's id: 16 hexadecimal digits. */
const char *
pop3_policy_chain_mac_key_id(const struct pop3_policy_chain_mac *mac);

/* The digest of the personal columns' form. */
void pop3_policy_chain_mac_digest(
	struct pop3_policy_chain_mac *mac,
	const unsigned char salt[STATIC_ARRAY POP3_POLICY_CHAIN_SALT_SIZE],
	const buffer_t *personal,
	unsigned char digest_r[STATIC_ARRAY POP3_POLICY_CHAIN_DIGEST_SIZE]);
/* The MAC of a row. prev is that of the row before it, zeros if there is none;
   mac_r may be the same. */
void pop3_policy_chain_mac_row(
	struct pop3_policy_chain_mac *mac,
	const unsigned char prev[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE],
	const unsigned char chain_id[STATIC_ARRAY POP3_POLICY_CHAIN_ID_SIZE],
	int64_t seq, char kind, const buffer_t *form,
	const unsigned char digest[STATIC_ARRAY POP3_POLICY_CHAIN_DIGEST_SIZE],
	unsigned char mac_r[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE]);

#endif
