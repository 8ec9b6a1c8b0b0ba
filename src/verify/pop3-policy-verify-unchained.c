/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-report.h"
#include "pop3-policy-verify-unchained.h"

static const unsigned char no_chain[16];

/* Events that pop3.chain_plain() does not take: no function for people writes
   them. */
static const char *const service_events[] = {
	"intent", "committed", "committed-late", "released", "presumed",
	"late", "repair-late", "gone", "unused", "repeat", "session-found",
	"quarantined", "chain-back", "postponed",
};

static void ATTR_FORMAT(2, 3)
verify_unchained_report(struct pop3_policy_verify_report *report,
			const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)pop3_policy_verify_report_add(report, no_chain, 0, 0, "%s",
					    t_strdup_vprintf(fmt, args));
	va_end(args);
}

void pop3_policy_verify_tables(struct pop3_policy_verify_db *db,
			       struct pop3_policy_verify_report *report)
{
	static const struct {
		const char *name;
		char kind;
	} tables[] = {
		{ "audit", 'p' },
		{ "session", 'p' },
		{ "seal", 'p' },
		{ "session_lost", 'r' },
		{ "chain", 'r' },
	};
	struct pop3_policy_verify_cursor *cursor;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tables); i++) T_BEGIN {
		const char *kind, *security, *rules;

		/* as booleans are sent: a byte each */
		cursor = pop3_policy_verify_cursor_init(db, t_strdup_printf(
			"SELECT c.relkind, c.relrowsecurity, "
			"c.relhasrules FROM pg_catalog.pg_class c "
			"JOIN pg_catalog.pg_namespace n "
			"ON n.oid = c.relnamespace "
			"WHERE n.nspname = 'pop3' AND c.relname = '%s'",
			tables[i].name), 2);
		if (!pop3_policy_verify_cursor_next(cursor)) {
			verify_unchained_report(report,
				"removed: table pop3.%s", tables[i].name);
		} else {
			kind = pop3_policy_verify_column_value(cursor, 0);
			security = pop3_policy_verify_column_value(cursor, 1);
			rules = pop3_policy_verify_column_value(cursor, 2);
			if (*kind != tables[i].kind || *security != 'f' ||
			    *rules != 'f') {
				verify_unchained_report(report,
					"altered: pop3.%s is not the table "
					"that it was, but something that can "
					"show other rows than are there",
					tables[i].name);
			}
		}
		pop3_policy_verify_cursor_deinit(&cursor);
	} T_END;
	/* what is not in the table itself */
	cursor = pop3_policy_verify_cursor_init(db,
		"SELECT c.relname FROM pg_catalog.pg_inherits i "
		"JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid "
		"JOIN pg_catalog.pg_class p ON p.oid = i.inhparent "
		"JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace "
		"WHERE n.nspname = 'pop3' "
		"AND p.relname IN ('audit', 'session', 'seal') "
		"AND (c.relkind <> 'r' OR c.relrowsecurity OR c.relhasrules)",
		100);
	while (pop3_policy_verify_cursor_next(cursor)) T_BEGIN {
		verify_unchained_report(report,
			"altered: partition %s is not the table that it was",
			pop3_policy_verify_column_text(cursor, 0));
	} T_END;
	pop3_policy_verify_cursor_deinit(&cursor);
}

static bool verify_is_service_event(const char *event)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(service_events); i++) {
		if (strcmp(event, service_events[i]) == 0)
			return TRUE;
	}
	return FALSE;
}

static void
verify_unchained_audit(struct pop3_policy_verify_db *db,
		       struct pop3_policy_verify_report *report,
		       struct pop3_policy_verify_unchained *found)
{
	struct pop3_policy_verify_cursor *cursor;

	cursor = pop3_policy_verify_cursor_init(db,
		"SELECT a.at, a.event FROM pop3.audit a "
		"WHERE a.chain_id IS NULL ORDER BY a.at", 1000);
	while (pop3_policy_verify_cursor_next(cursor)) T_BEGIN {
		const char *event =
			pop3_policy_verify_column_text(cursor, 1);
		int64_t at;

		(void)pop3_policy_verify_column_time(cursor, 0, &at);
		if (verify_is_service_event(event)) {
			verify_unchained_report(report,
				"inserted: a row of pop3.audit of %s, event "
				"%s, is in no chain, though services write "
				"these", pop3_policy_verify_time(at), event);
		} else {
			if (found->count++ == 0)
				found->first = at;
			found->last = at;
		}
	} T_END;
	pop3_policy_verify_cursor_deinit(&cursor);
}

void pop3_policy_verify_unchained(struct pop3_policy_verify_db *db,
				  struct pop3_policy_verify_report *report,
				  struct pop3_policy_verify_unchained *found_r)
{
	struct pop3_policy_verify_cursor *cursor;

	i_zero(found_r);
	verify_unchained_audit(db, report, found_r);
	/* polls are counted by the hour, and in no chain */
	cursor = pop3_policy_verify_cursor_init(db,
		"SELECT s.started_at, s.session_id FROM pop3.session s "
		"WHERE s.chain_id IS NULL AND s.ended_by <> 'poll'", 1000);
	while (pop3_policy_verify_cursor_next(cursor)) T_BEGIN {
		int64_t at;

		(void)pop3_policy_verify_column_time(cursor, 0, &at);
		verify_unchained_report(report,
			"inserted: session %s of %s is in no chain",
			pop3_policy_verify_column_value(cursor, 1),
			pop3_policy_verify_time(at));
	} T_END;
	pop3_policy_verify_cursor_deinit(&cursor);
}
