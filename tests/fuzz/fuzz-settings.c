/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The service's settings file. */

#include "lib.h"
#include "pop3-policy-service-settings.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		struct pop3_policy_service_settings set;
		pool_t pool = pool_alloconly_create("settings", 1024);
		const char *path = fuzz_file(data, size), *error = NULL;

		if (pop3_policy_service_settings_read(pool, path, &set,
						      &error) < 0) {
			/* it says where */
			i_assert(strncmp(error, path, strlen(path)) == 0);
		} else {
			i_assert(set.connect != NULL && set.query_timeout > 0 &&
				 set.reader_connections > 0);
		}
		pool_unref(&pool);
	} T_END;
	return 0;
}
