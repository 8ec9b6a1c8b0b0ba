#ifndef POP3_POLICY_SEAL_H
#define POP3_POLICY_SEAL_H

/* The seal of a batch: salts, digests and MACs of its rows, which are added in
   the order of their numbers. */

#include "pop3-policy-chain-mac.h"

struct pop3_policy_seal {
	struct pop3_policy_chain_mac *mac;
	unsigned char chain_id[POP3_POLICY_CHAIN_ID_SIZE];
	int64_t next_seq;
	unsigned char prev_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char last_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	buffer_t *salts, *digests, *macs;
	/* forms of the row that is being added */
	buffer_t *form, *personal;
};

/* Begin a seal of about count rows. prev_mac is the MAC of the row before the
   first. */
void pop3_policy_seal_begin(struct pop3_policy_seal *seal,
	struct pop3_policy_chain_mac *mac,
	const unsigned char chain_id[STATIC_ARRAY POP3_POLICY_CHAIN_ID_SIZE],
	int64_t first_seq, unsigned int count,
	const unsigned char prev_mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE]);
void pop3_policy_seal_end(struct pop3_policy_seal *seal);

/* Add the row of the next number, with a new salt. The values are those of
   pop3_policy_chain_form_columns(). */
void pop3_policy_seal_add(struct pop3_policy_seal *seal, char kind,
			  const char *const *values,
			  const char *const *personal_values);

/* Parse "A" or "S" and columns in the form of array literals, and add the row.
   Returns 0 if ok, -1 + *error_r if this is no row that can be sealed. */
int pop3_policy_seal_add_text(struct pop3_policy_seal *seal, const char *kind,
			      const char *values, const char *personal_values,
			      const char **error_r);

#endif
