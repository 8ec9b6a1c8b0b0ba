/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "test-pop3-policy-protocol.h"

int main(void)
{
#define TEST_PROTOCOL_NAME(name) name,
	static void (*const test_functions[])(void) = {
		TEST_PROTOCOL_FUNCTIONS(TEST_PROTOCOL_NAME)
		NULL
	};

	return test_run(test_functions);
}
