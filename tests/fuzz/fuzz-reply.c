/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The service's answers, as the plugin reads them: LOGIN's has most of what the
   others have. */

#include "lib.h"
#include "array.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-login.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

static void fuzz_login(const struct pop3_policy_wire_message *reply)
{
	struct pop3_policy_login *login, *fresh;
	const struct pop3_policy_maildrop *drop;
	const char *error = NULL;

	if (pop3_policy_login_parse(reply, &login, &error) < 0) {
		i_assert(error != NULL);
		return;
	}
	array_foreach(&login->maildrops, drop)
		i_assert(drop->id != NULL);
	i_assert(pop3_policy_login_parse(reply, &fresh, &error) == 0);
	pop3_policy_login_refresh(login, fresh);
	pop3_policy_login_free(&fresh);
	pop3_policy_login_free(&login);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_policy_wire_parser *parser =
		pop3_policy_wire_parser_init();
	struct pop3_policy_wire_message *reply;
	const char *error;
	int ret = 0;

	T_BEGIN {
		const char *const *lines =
			t_strsplit(fuzz_text(data, size), "\n");

		for (; *lines != NULL && ret >= 0; lines++) T_BEGIN {
			ret = pop3_policy_wire_parser_feed(parser, *lines,
							   &reply, &error);
			if (ret > 0) {
				fuzz_login(reply);
				pop3_policy_wire_message_free(&reply);
			}
		} T_END;
	} T_END;
	pop3_policy_wire_parser_deinit(&parser);
	return 0;
}
