/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-print.h"

static const char *const *
print_columns(const struct pop3_policy_wire_message *reply, const char *key)
{
	const char *names = pop3_policy_wire_get_str(&reply->head, key);

	return t_strsplit(names == NULL ? "" : names, ",");
}

void doveadm_pop3_policy_print_headers(
	const struct pop3_policy_wire_message *reply, bool username,
	unsigned int hide_titles)
{
	const char *const *columns = print_columns(reply, "columns");
	const char *const *numeric = print_columns(reply, "numeric");
	enum doveadm_print_header_flags flags;
	unsigned int i;

	if (doveadm_print_get_headers_count() > 0)
		return;
	if (username) {
		doveadm_print_header("username", "username",
				     DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	}
	for (i = 0; columns[i] != NULL; i++) {
		/* no numbers to the formatters, who would insist on them where
		   there is none */
		flags = str_array_find(numeric, columns[i]) ?
			DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY : 0;
		if (i < hide_titles)
			flags |= DOVEADM_PRINT_HEADER_FLAG_HIDE_TITLE;
		doveadm_print_header(columns[i], columns[i], flags);
	}
}

void doveadm_pop3_policy_print_rows(
	const struct pop3_policy_wire_message *reply, const char *username,
	const char *null_text)
{
	const char *const *columns = print_columns(reply, "columns");
	const char *const *numeric = print_columns(reply, "numeric");
	const char *value;
	unsigned int i, j;

	for (i = 0; i < reply->item_count; i++) {
		if (username != NULL)
			doveadm_print(username);
		for (j = 0; columns[j] != NULL; j++) {
			value = pop3_policy_wire_get_str(&reply->items[i],
							 columns[j]);
			if (value == NULL) {
				value = str_array_find(numeric, columns[j]) ?
					"" : null_text;
			}
			doveadm_print(value);
		}
	}
}

void doveadm_pop3_policy_print(const struct pop3_policy_wire_message *reply)
{
	doveadm_pop3_policy_print_headers(reply, FALSE, 0);
	doveadm_pop3_policy_print_rows(reply, NULL, "");
}
