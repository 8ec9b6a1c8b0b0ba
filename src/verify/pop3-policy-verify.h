#ifndef POP3_POLICY_VERIFY_H
#define POP3_POLICY_VERIFY_H

#include "pop3-policy-verify-checkpoint.h"
#include "pop3-policy-verify-row.h"

/* All chains of a database, or a span of them. */

struct pop3_policy_verify_db;
struct pop3_policy_verify_key;

struct pop3_policy_verify_settings {
	struct pop3_policy_verify_span span;
	const struct pop3_policy_verify_key *keys;
	ARRAY_TYPE(pop3_policy_verify_checkpoint_file) checkpoint_files;
	/* see pop3_policy_verify_print() */
	bool tab;
};

/* Verify, and print what was found and a line per chain to stdout. Returns the
   number of findings. */
unsigned int
pop3_policy_verify_run(struct pop3_policy_verify_db *db,
		       const struct pop3_policy_verify_settings *set);

#endif
