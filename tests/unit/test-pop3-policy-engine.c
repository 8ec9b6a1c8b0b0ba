/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "test-common.h"
#include "test-pop3-policy-engine.h"

int main(void)
{
#define TEST_ENGINE_NAME(name) name,
	static void (*const test_functions[])(void) = {
		TEST_ENGINE_FUNCTIONS(TEST_ENGINE_NAME)
		NULL
	};

	return test_run(test_functions);
}
