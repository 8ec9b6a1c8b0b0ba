/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-records.h"
#include "pop3-policy-record-session.h"

/* places among its parameters, of which chain and number are the first two */
#define POP3_POLICY_RECORD_SESSION_ID 2
#define POP3_POLICY_RECORD_SESSION_STARTED 9

struct pop3_policy_record *
pop3_policy_record_session_create(const struct pop3_policy_record_session *data)
{
	/* in the order of pop3.record_session() */
	const struct {
		const char *value, *if_null;
	} params[] = {
		{ data->session, NULL },
		{ data->dsession, NULL },
		{ data->user, NULL },
		{ data->auth_user, NULL },
		{ data->rip, NULL },
		{ data->tls, "f" },
		{ data->device, NULL },
		{ data->started, "0" },
		{ data->duration, "0" },
		{ data->ended_by, NULL },
		{ data->guid, NULL },
		{ data->uidvalidity, NULL },
		{ data->uidnext, NULL },
		{ data->uidnext_end, NULL },
		{ data->messages, NULL },
		{ data->anchor_uid, NULL },
		{ data->anchor_guid, NULL },
		{ data->retr, "0" },
		{ data->top, "0" },
		{ data->dele, "0" },
		{ data->bytes, "0" },
		{ data->fetched, "{}" },
		{ data->removed, "{}" },
		{ data->uids, "{}" },
		{ data->guids, "{}" },
		{ data->sizes, "{}" },
		{ data->actions, "{}" },
		{ data->would_uids, "{}" },
		{ data->would_guids, "{}" },
		{ data->would_sizes, "{}" },
		{ data->would_reasons, "{}" },
		{ data->view_since, NULL },
		{ data->view_window, NULL },
		{ data->download, NULL },
	};
	struct pop3_policy_record *record;
	unsigned int i;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_SESSION,
					   data->user, 1);
	for (i = 0; i < N_ELEMENTS(params); i++) {
		pop3_policy_record_add(record, params[i].value != NULL ?
				       params[i].value : params[i].if_null);
	}
	/* a retrieval that is not known lets a message look unretrieved */
	if ((data->uids == NULL || strcmp(data->uids, "{}") == 0) &&
	    (data->fetched == NULL || strcmp(data->fetched, "{}") == 0))
		record->drop = POP3_POLICY_DROP_LAST;
	return record;
}

bool pop3_policy_record_session_key(const struct pop3_policy_record *record,
				    const char **session_r,
				    const char **started_r)
{
	if (record->kind != POP3_POLICY_RECORD_SESSION)
		return FALSE;
	*session_r = record->params[POP3_POLICY_RECORD_SESSION_ID];
	*started_r = record->params[POP3_POLICY_RECORD_SESSION_STARTED];
	return TRUE;
}
