#ifndef POP3_POLICY_VERIFY_KEY_H
#define POP3_POLICY_VERIFY_KEY_H

#include "pop3-policy-chain-mac.h"

/* The keys that are known, of this host and of others. */

struct pop3_policy_verify_key {
	struct pop3_policy_verify_key *next;
	struct pop3_policy_chain_mac *mac;
};

/* Add the keys in a file to the list. Returns 0 if ok, -1 + *error_r, which
   names file and line. */
int pop3_policy_verify_keys_read(const char *path,
				 struct pop3_policy_verify_key **keys,
				 const char **error_r);
void pop3_policy_verify_keys_free(struct pop3_policy_verify_key **keys);
/* NULL if there is none of this id. */
const struct pop3_policy_verify_key *
pop3_policy_verify_key_find(const struct pop3_policy_verify_key *keys,
			    const char *id);

#endif
