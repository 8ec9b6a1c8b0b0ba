#ifndef POP3_POLICY_CHECKPOINT_H
#define POP3_POLICY_CHECKPOINT_H

/* Heads of the chain, noted outside of the database: a file for each chain,
   where a line is added after a minute or 1000 rows, and at the end. A chain
   that was cut off at its end is found by it. */

#include "pop3-policy-chain-form.h"

struct pop3_policy_checkpoint;

struct pop3_policy_checkpoint *
pop3_policy_checkpoint_init(struct event *event_parent, const char *dir);
/* Notes the last head, if it was not. */
void pop3_policy_checkpoint_deinit(struct pop3_policy_checkpoint **checkpoint);

/* This is durable: the number and MAC of the chain's last row. */
void pop3_policy_checkpoint_head(
	struct pop3_policy_checkpoint *checkpoint, const char *chain_id,
	int64_t seq,
	const unsigned char mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE]);
/* The database went back to this head of the same chain, and the chain goes on
   from there. Noted at once. */
void pop3_policy_checkpoint_back(
	struct pop3_policy_checkpoint *checkpoint, const char *chain_id,
	int64_t seq,
	const unsigned char mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE]);

#endif
