/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "pop3-policy-statements.h"

/* The order is that of the enum. Everything is selected from the function, so
   that a function without rows gives none. Types are written out: a function
   that was changed is then missing, and is reported as such, rather than
   called with the wrong values. */
static const struct pop3_policy_stmt_info stmts[POP3_POLICY_STMT_COUNT] = {
	{ "now", "", NULL },
	{ "policy_levels", "text", "level, scope, version, \"values\"" },
	{ "maildrop_state",
	  "text, bigint, bigint, bigint, boolean, float8, bigint, bigint, "
	  "boolean, int, text",
	  "maildrop_id, mailbox_guid, uidvalidity, uidnext, messages, "
	  "anchor_uid, anchor_guid, hidden, hidden_uid, hidden_guid, "
	  "view_from, before_uid, exempt, spared, would, retrieved, "
	  "tracked, due_uid, due_guid, due_reason, intent_session, intent_no, "
	  "postponed, postponed_uid, postponed_guid, postponed_reason, "
	  "extract(epoch FROM fresh_until)" },
	{ "tracked", "bigint", "uid, message_guid, hidden" },
	{ "leave_excess",
	  "text, bigint, bigint, bigint, int8multirange, bigint[], bigint[], "
	  "int", "uid, message_guid" },
	{ "told_level", "text, text", NULL },
	{ "evictable", "text, uuid, bigint, bigint, bigint, int",
	  "uid, message_guid, size, more" },
	{ "policy_version", "text", NULL },
	{ "notices", "text, uuid, bigint, bigint",
	  "kind, name, old, new, uids, before_uid, exempt, at, until" },
	{ "notice_due", "text, text, int, text, text", NULL },
	{ "plain_waiting", "int, int", "waiting, oldest, newest" },
	{ "accept_login", "text, uuid, bigint, boolean, text", NULL },
	{ "download_reserve", "text, uuid, bigint, bigint, bigint",
	  "used, wait" },

	{ "chain_open", "uuid, int",
	  "last_batch, last_seq, schema, parameters, db_now, epoch, "
	  "encode(last_mac, 'hex')" },
	{ "batch_begin", "uuid, bigint, bigint, bigint, bigint, text[]", NULL },
	{ "replay_at", "float8, boolean", NULL },
	{ "chain_rows", "uuid, bigint, bigint, float8, uuid[], float8[]",
	  "seq, kind, public, personal" },
	{ "chain_seal",
	  "uuid, bigint, bigint, text, bytea, bytea, bytea, bytea", NULL },
	{ "intent_state", "uuid, int", NULL },
	{ "record_intent",
	  "uuid, bigint, uuid, int, text, text, text, text, text, uuid, "
	  "bigint, text, int, bigint[], uuid[], bigint[], text[], text[], "
	  "text[], text[], text[], text", NULL },
	{ "record_postponed",
	  "uuid, bigint, uuid, int, text, text, text, text, text, uuid, "
	  "bigint, bigint[], uuid[], bigint[], text[], text[], text[], "
	  "text[], text[]", NULL },
	{ "record_outcome", "uuid, bigint, uuid, int, text", NULL },
	{ "record_abandon", "uuid", NULL },
	{ "claim_intent", "uuid, text, uuid, int, int",
	  "uid, guid, action, reason" },
	{ "record_repair",
	  "uuid, bigint, uuid, text, uuid, int, bigint[], boolean[]", NULL },
	{ "record_event",
	  "uuid, bigint, text, text, uuid, text, text, text, text, text, "
	  "uuid, bigint, bigint, bigint[], text", NULL },
	{ "carry_over",
	  "uuid, bigint, uuid, text, bigint, uuid, bigint, bigint, bigint, "
	  "bigint[], bigint[]", NULL },
	{ "record_session",
	  "uuid, bigint, uuid, text, text, text, text, boolean, text, "
	  "float8, float8, text, uuid, bigint, bigint, bigint, bigint, "
	  "bigint, uuid, int, int, int, bigint, int8multirange, "
	  "int8multirange, bigint[], uuid[], bigint[], text[], bigint[], "
	  "uuid[], bigint[], text[], float8, bigint, boolean", NULL },
	{ "record_polls",
	  "float8[], text[], text[], text[], boolean[], int[], float8[]",
	  NULL },
	{ "record_imap_use", "text[]", NULL },
	{ "record_usage",
	  "text[], bigint[], bigint[], bigint[], bigint[], int[], int[]",
	  NULL },
	{ "take_notice",
	  "uuid, bigint, text, uuid, text, uuid, bigint, text, int, bigint, "
	  "bigint, text, text", NULL },
	{ "record_quarantine", "uuid, bigint, text, text", NULL },
	{ "chain_plain", "uuid, bigint, int, float8, float8", NULL },

	{ "maintain", "", "partitions_made, strays" },
	{ "policy_generation", "", "source, generation, changed_by, stopped, now" },
	{ "policy_changes", "bigint, bigint",
	  "kind, name, preset, version, \"values\", generation, changed_by, "
	  "history_id" },
	{ "policy_users", "text, int", "names, last" },
	{ "maildrop_changes", "pg_snapshot, xid8", "seen, usernames" },
};

const struct pop3_policy_stmt_info *
pop3_policy_stmt_info(enum pop3_policy_stmt stmt)
{
	i_assert(stmt < POP3_POLICY_STMT_COUNT);
	i_assert(stmts[stmt].name != NULL);
	return &stmts[stmt];
}

unsigned int pop3_policy_stmt_params(enum pop3_policy_stmt stmt)
{
	const char *types = pop3_policy_stmt_info(stmt)->param_types;
	unsigned int count = *types == '\0' ? 0 : 1;

	for (; *types != '\0'; types++) {
		if (*types == ',')
			count++;
	}
	return count;
}

const char *pop3_policy_stmt_sql(enum pop3_policy_stmt stmt)
{
	const struct pop3_policy_stmt_info *info = pop3_policy_stmt_info(stmt);
	const char *const *types =
		t_strsplit_spaces(info->param_types, ", ");
	string_t *sql = t_str_new(512);
	unsigned int i;

	str_printfa(sql, "SELECT %s FROM pop3.%s(",
		    info->select == NULL ? "*" : info->select, info->name);
	for (i = 0; i < pop3_policy_stmt_params(stmt); i++) {
		types = i == 0 ? types : types + 1;
		str_printfa(sql, "%s$%u::%s", i == 0 ? "" : ", ", i + 1,
			    *types);
	}
	str_append_c(sql, ')');
	return str_c(sql);
}
