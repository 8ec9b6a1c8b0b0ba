/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The file of the keys that seal records. */

#include "lib.h"
#include "pop3-policy-key-private.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		struct pop3_policy_chain_mac *mac = NULL;
		struct stat st;
		const char *path = fuzz_file(data, size), *error = NULL;
		int ret = pop3_policy_key_file_read(path, &mac, &st, &error);

		i_assert(ret != 0);
		i_assert((ret > 0) == (mac != NULL));
		if (ret < 0)
			i_assert(strstr(error, path) != NULL);
		else
			pop3_policy_chain_mac_deinit(&mac);
	} T_END;
	return 0;
}
