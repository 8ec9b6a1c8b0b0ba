/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "test-pop3-policy-notice.h"

#include <time.h>

void test_notice_error(const char *error, const char *expected,
		       unsigned int idx)
{
	test_assert_idx(error != NULL, idx);
	if (error == NULL)
		return;
	test_assert_strcmp_idx(t_strndup(error, strlen(expected)), expected,
			       idx);
}

int main(void)
{
#define TEST_NOTICE_NAME(name) name,
	static void (*const test_functions[])(void) = {
		TEST_NOTICE_FUNCTIONS(TEST_NOTICE_NAME)
		NULL
	};

	/* dates are told in the process's time zone; this one needs no files:
	   an hour east of Greenwich */
	if (setenv("TZ", "CET-1", 1) < 0)
		i_fatal("setenv() failed: %m");
	tzset();
	return test_run(test_functions);
}
