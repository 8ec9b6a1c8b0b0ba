#ifndef POP3_POLICY_VERIFY_CHAIN_PRIVATE_H
#define POP3_POLICY_VERIFY_CHAIN_PRIVATE_H

/* For pop3-policy-verify-chain.c (seals, one after the other, and the end) and
   pop3-policy-verify-number.c (one number: its row against its seal). */

#include "pop3-policy-verify-chain.h"

struct pop3_policy_verify_chain {
	struct pop3_policy_verify_chain_settings set;
	struct pop3_policy_verify_counts counts;
	/* a seal was seen */
	bool begun;
	/* the number after the last that a seal covers */
	int64_t expected;
	/* numbers below are not looked at; 0: there are none */
	int64_t skip_below;
	/* MAC of that, as the seal says; zeros before the first */
	unsigned char last_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	/* The last row does not fit: what its MAC had to be if the row were
	   right. Where the next one fits that, the MAC was altered. */
	struct pop3_policy_verify_finding *suspect;
	bool have_other;
	unsigned char other_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	/* rows that were looked for because they are dated outside the span */
	unsigned int lookups;
	buffer_t *form;
};

/* The chain's next row, if its number is not above the limit; else NULL. */
struct pop3_policy_verify_row *
pop3_policy_verify_chain_take(struct pop3_policy_verify_chain *chain,
			      int64_t limit);
/* The last row's MAC was altered, not the row. */
void pop3_policy_verify_chain_absolve(struct pop3_policy_verify_chain *chain);
/* The row is dated later than its seal, which is of the same transaction or of a
   later one. */
void pop3_policy_verify_chain_late(struct pop3_policy_verify_chain *chain,
				   const struct pop3_policy_verify_row *row);
/* Check the seal's number i. *key is NULL if it is not known; it is changed
   where another one fits. follows: the seal follows the one before without a
   gap. */
void pop3_policy_verify_number(struct pop3_policy_verify_chain *chain,
			       const struct pop3_policy_verify_seal *seal,
			       unsigned int i, bool follows,
			       const struct pop3_policy_verify_key **key);

#endif
