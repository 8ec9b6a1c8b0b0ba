#ifndef POP3_POLICY_VERIFY_CHECKPOINT_H
#define POP3_POLICY_VERIFY_CHECKPOINT_H

/* What services of this host wrote down beside the database: how far their chains
   had come, and by which MAC. What a database loses, or is made to forget, at
   the end of a chain is found by it.

   A file is read along with its chain, whatever its size. */

#include "pop3-policy-verify-key.h"

struct pop3_policy_verify_checkpoints;

struct pop3_policy_verify_checkpoint_file {
	unsigned char chain_id[16];
	char *path;
	/* as long as it was before the database was asked */
	off_t size;
};

struct pop3_policy_verify_checkpoint {
	/* seconds since 1970 */
	int64_t time;
	int64_t seq;
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
};

ARRAY_DEFINE_TYPE(pop3_policy_verify_checkpoint_file,
		  struct pop3_policy_verify_checkpoint_file);

/* Add the files in the directory, by chain, in their order. Returns 0 if ok, -1
   + *error_r. */
int pop3_policy_verify_checkpoint_files(const char *dir,
	ARRAY_TYPE(pop3_policy_verify_checkpoint_file) *files,
	const char **error_r);

/* Read a file. Returns 0 if ok, -1 + *error_r: it cannot be read, or has a line
   that is none: with a lower number than the one before it, too. */
int pop3_policy_verify_checkpoints_open(
	const struct pop3_policy_verify_checkpoint_file *file,
	struct pop3_policy_verify_checkpoints **checkpoints_r,
	const char **error_r);
void pop3_policy_verify_checkpoints_close(
	struct pop3_policy_verify_checkpoints **checkpoints);

/* The next one that is still true, by ascending number; NULL if there is none:
   the chain went back to before it, and was written anew from there. */
const struct pop3_policy_verify_checkpoint *
pop3_policy_verify_checkpoints_peek(
	const struct pop3_policy_verify_checkpoints *checkpoints);
void pop3_policy_verify_checkpoints_next(
	struct pop3_policy_verify_checkpoints *checkpoints);
/* How often the chain went back. */
unsigned int pop3_policy_verify_checkpoints_back(
	const struct pop3_policy_verify_checkpoints *checkpoints);

#endif
