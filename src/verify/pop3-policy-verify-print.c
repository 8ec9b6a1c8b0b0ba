/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strescape.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-print.h"

#include <stdio.h>

static bool verify_line_has_chain(const struct pop3_policy_verify_line *line)
{
	static const unsigned char none[sizeof(line->chain_id)];

	return memcmp(line->chain_id, none, sizeof(none)) != 0;
}

static bool verify_line_has_event(const struct pop3_policy_verify_line *line)
{
	return line->event != NULL && *line->event != '\0';
}

/* doveadm pop3-policy verify names the columns. */
static void verify_print_tab(const struct pop3_policy_verify_line *line)
{
	string_t *str = t_str_new(256);

	if (verify_line_has_chain(line))
		str_append(str, pop3_policy_verify_uuid(line->chain_id));
	str_append_c(str, '\t');
	if (line->first_seq > 0)
		str_printfa(str, "%"PRId64, line->first_seq);
	str_append_c(str, '\t');
	if (line->first_seq > 0) {
		str_printfa(str, "%"PRId64,
			    I_MAX(line->first_seq, line->last_seq));
	}
	str_append_c(str, '\t');
	if (line->at != 0)
		str_append(str, pop3_policy_verify_time(line->at));
	str_append_c(str, '\t');
	if (verify_line_has_event(line))
		str_append_tabescaped(str, line->event);
	str_append_c(str, '\t');
	str_append(str, line->result);
	str_append_c(str, '\t');
	str_append_tabescaped(str, line->text);
	printf("%s\n", str_c(str));
}

static void verify_print_text(const struct pop3_policy_verify_line *line)
{
	string_t *str = t_str_new(256);

	if (verify_line_has_chain(line)) {
		str_printfa(str, "chain %s ",
			    pop3_policy_verify_uuid(line->chain_id));
	}
	if (line->last_seq > line->first_seq) {
		str_printfa(str, "seq %"PRId64" to %"PRId64" ",
			    line->first_seq, line->last_seq);
	} else if (line->first_seq > 0) {
		str_printfa(str, "seq %"PRId64" ", line->first_seq);
	}
	if (line->at != 0) {
		str_printfa(str, "(%s%s%s%s) ", line->about ? "about " : "",
			    pop3_policy_verify_time(line->at),
			    verify_line_has_event(line) ? ", " : "",
			    verify_line_has_event(line) ? line->event : "");
	}
	if (str_len(str) > 0)
		str_truncate(str, str_len(str) - 1);
	if (str_len(str) > 0)
		str_append(str, ": ");
	printf("%s%s\n", str_c(str), line->text);
}

void pop3_policy_verify_print(const struct pop3_policy_verify_line *line,
			      bool tab)
{
	T_BEGIN {
		if (tab)
			verify_print_tab(line);
		else
			verify_print_text(line);
	} T_END;
}
