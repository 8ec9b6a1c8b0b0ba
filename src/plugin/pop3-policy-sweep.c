/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "pop3-policy-convert.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"
#include "pop3-policy-sweep.h"

static void sweep_result(const struct pop3_policy_session *session,
			 struct pop3_policy_sweep_result *result_r)
{
	unsigned int i, n = 0, sum = 0;

	i_zero(result_r);
	for (i = 0; i < POP3_POLICY_REASON_COUNT; i++) {
		if (session->due_counts[i] == 0)
			continue;
		i_assert(n + 1 < N_ELEMENTS(result_r->rules));
		result_r->rules[n].reason = pop3_policy_reason_name(i);
		result_r->rules[n++].count = session->due_counts[i];
		sum += session->due_counts[i];
	}
	result_r->more = sum >= POP3_POLICY_MAX_DUE && !session->dry_run;
	/* what is under an open intent is not told as due */
	result_r->repaired = session->login != NULL && !session->dry_run &&
		array_count(&session->login->intents) > 0;
}

/* convert may be NULL */
static int sweep_box(struct pop3_policy_session *session, struct mailbox *box,
		     struct pop3_policy_convert *convert, const char **error_r)
{
	bool known;
	int ret = 0;

	if (mailbox_sync(box, 0) < 0 ||
	    pop3_policy_prepare(session, box) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(box,
								    NULL));
		return -1;
	}
	if (convert != NULL)
		ret = pop3_policy_convert_hidden(session, convert, error_r);
	if (session->dry_run)
		return ret;
	known = session->drop != NULL;
	if (!known || array_count(&session->removed) > 0)
		pop3_policy_session_end(session, "sweep");
	return ret;
}

static int sweep_session(struct pop3_policy_session *session,
			 struct pop3_policy_convert *convert,
			 const char **error_r)
{
	struct mail_namespace *ns =
		mail_namespace_find_inbox(session->user->namespaces);
	struct mailbox *box;
	int ret;

	if (pop3_policy_session_login(session, error_r) < 0)
		return -1;
	box = mailbox_alloc(ns->list, "INBOX", 0);
	ret = sweep_box(session, box, convert, error_r);
	session->box = NULL;
	mailbox_free(&box);
	return ret;
}

int pop3_policy_sweep(struct mail_user *user, bool dry_run,
		      struct pop3_policy_convert *convert,
		      struct pop3_policy_sweep_result *result_r,
		      const char **error_r)
{
	struct pop3_policy_session *session;
	int ret;

	session = pop3_policy_session_create_sweep(user, error_r);
	if (session == NULL)
		return -1;
	session->dry_run = dry_run;
	ret = sweep_session(session, convert, error_r);
	sweep_result(session, result_r);
	pop3_policy_session_free(&session);
	return ret;
}
