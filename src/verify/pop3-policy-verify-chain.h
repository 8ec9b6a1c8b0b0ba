#ifndef POP3_POLICY_VERIFY_CHAIN_H
#define POP3_POLICY_VERIFY_CHAIN_H

/* A chain, number by number: each row against its seal, each seal against the
   one before, and all against the chain's head and the checkpoints.

   A row that does not fit its seal does not spoil those behind it: the seals'
   MACs hold each other up, and a MAC that is itself altered is told from an
   altered row by the next one. */

#include "pop3-policy-verify-report.h"

struct pop3_policy_verify_rows;
struct pop3_policy_verify_checkpoints;

/* A row of pop3.chain. */
struct pop3_policy_verify_head {
	unsigned char chain_id[16];
	int64_t last_seq;
	/* a row was ever sealed */
	bool have_mac;
	unsigned char last_mac[POP3_POLICY_CHAIN_MAC_SIZE];
};

/* A row of pop3.seal. */
struct pop3_policy_verify_seal {
	unsigned char chain_id[16];
	int64_t at;
	int64_t first_seq, last_seq;
	const char *key_id;
	const unsigned char *prev_mac, *salts, *digests, *macs;
};

struct pop3_policy_verify_counts {
	uint64_t seals;
	/* rows: sealed and in order; of them erased */
	uint64_t verified, erased;
	/* written by services that did not seal */
	uint64_t unsealed;
	int64_t unsealed_first, unsealed_last;
	/* numbers that retention dropped */
	uint64_t dropped;
	/* of rows whose key is not known */
	uint64_t unknown_key;
	/* events that say that the chain went back */
	unsigned int back;
};

struct pop3_policy_verify_chain_settings {
	struct pop3_policy_verify_report *report;
	struct pop3_policy_verify_rows *rows;
	const struct pop3_policy_verify_key *keys;
	unsigned char chain_id[16];
	/* NULL if there is none */
	const struct pop3_policy_verify_head *head;
	struct pop3_policy_verify_checkpoints *checkpoints;
	/* up to here rows may be missing: retention dropped them; 0: none */
	int64_t retained_after;
	/* only a part is looked at: it has a beginning (microseconds since
	   1970), an end */
	bool has_since, has_until;
	int64_t since;
	/* called for each row that was erased: by its UUID (see
	   pop3-policy-verify-row.h) it can be said whether it should be */
	void (*erased)(const struct pop3_policy_verify_row *row,
		       void *context);
	void *context;
};

struct pop3_policy_verify_chain;

struct pop3_policy_verify_chain *
pop3_policy_verify_chain_begin(
	const struct pop3_policy_verify_chain_settings *set);
/* Where the span has a beginning: the last seal before it. What is checked begins
   behind it, so that nothing can be taken away from there unseen. */
void pop3_policy_verify_chain_resume(struct pop3_policy_verify_chain *chain,
				     const struct pop3_policy_verify_seal *seal);
/* The next seal. Takes the rows up to its last one. */
void pop3_policy_verify_chain_seal(struct pop3_policy_verify_chain *chain,
				   const struct pop3_policy_verify_seal *seal);
/* Takes what is left of the chain's rows. */
void pop3_policy_verify_chain_end(struct pop3_policy_verify_chain **chain,
				  struct pop3_policy_verify_counts *counts_r);

#endif
