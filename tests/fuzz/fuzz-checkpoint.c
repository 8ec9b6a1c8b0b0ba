/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The file of a chain's heads, as pop3-policy-verify reads it. */

#include "lib.h"
#include "array.h"
#include "pop3-policy-verify-checkpoint.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

static void fuzz_read(struct pop3_policy_verify_checkpoints *checkpoints)
{
	const struct pop3_policy_verify_checkpoint *checkpoint;

	while ((checkpoint = pop3_policy_verify_checkpoints_peek(
						checkpoints)) != NULL) {
		i_assert(checkpoint->seq >= 0);
		pop3_policy_verify_checkpoints_next(checkpoints);
	}
	(void)pop3_policy_verify_checkpoints_back(checkpoints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		struct pop3_policy_verify_checkpoint_file file;
		struct pop3_policy_verify_checkpoints *checkpoints = NULL;
		const char *error = NULL;

		i_zero(&file);
		file.path = t_strdup_noconst(fuzz_file(data, size));
		file.size = size;
		if (pop3_policy_verify_checkpoints_open(&file, &checkpoints,
							&error) < 0) {
			i_assert(strstr(error, file.path) != NULL);
		} else {
			fuzz_read(checkpoints);
			pop3_policy_verify_checkpoints_close(&checkpoints);
		}
	} T_END;
	return 0;
}
