/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-describe.h"
#include "pop3-policy-intent.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-sender.h"
#include "pop3-policy-session.h"

struct uidl_context {
	struct pop3_policy_session *session;
	/* by sequence - 1, see shown_uidls() */
	const char *const *shown;
};

/* If UIDLs were listed and kept (pop3_uidl_duplicates=rename), they are the
   names that the client knows. Returns an array of them by sequence - 1, which
   is as long as the highest sequence of the view, or NULL. */
static const char *const *shown_uidls(const struct client *client)
{
	const char **uidls;
	uint32_t msgnum, seq;

	if (client->message_uidls == NULL)
		return NULL;
	uidls = t_new(const char *, client->highest_seq);
	for (msgnum = 0; msgnum < client->messages_count; msgnum++) {
		seq = msgnum < client->msgnum_to_seq_map_count ?
			client->msgnum_to_seq_map[msgnum] : msgnum + 1;
		if (seq <= client->highest_seq)
			uidls[seq - 1] = client->message_uidls[msgnum];
	}
	return uidls;
}

/* The UIDL that this session showed, or would show. */
static const char *mail_uidl(struct mail *mail, pool_t pool, void *_context)
{
	const struct uidl_context *context = _context;
	struct pop3_policy_session *session = context->session;
	const char *const *uidls = context->shown;
	string_t *str;

	if (uidls != NULL && mail->seq <= session->client->highest_seq &&
	    uidls[mail->seq - 1] != NULL)
		return p_strdup(pool, uidls[mail->seq - 1]);
	str = t_str_new(128);
	if (pop3_policy_compat_uidl(session->client, mail,
				    session->uidvalidity, str) < 0)
		return NULL;
	return p_strdup(pool, str_c(str));
}

static int removal_cmp(const struct pop3_policy_removal *r1,
		       const struct pop3_policy_removal *r2)
{
	return r1->uid < r2->uid ? -1 : (r1->uid > r2->uid ? 1 : 0);
}

void
pop3_policy_removals_sort(ARRAY_TYPE(pop3_policy_removal) *removals)
{
	array_sort(removals, removal_cmp);
}

void pop3_policy_removals_describe(struct pop3_policy_session *session,
				   struct mailbox_transaction_context *t,
				   pool_t pool,
				   ARRAY_TYPE(pop3_policy_removal) *removals,
				   struct pop3_policy_left_out *left_out)
{
	struct uidl_context context = { .session = session };

	if (session->client == NULL) {
		/* a sweep: nobody was shown a UIDL */
		pop3_policy_describe(t, pool, NULL, NULL, removals, left_out);
		return;
	}
	context.shown = shown_uidls(session->client);
	pop3_policy_describe(t, pool, mail_uidl, &context, removals, left_out);
}

bool pop3_policy_removal_is_dele(const struct pop3_policy_removal *removal)
{
	return removal->action == POP3_POLICY_ACTION_EXPUNGE &&
		removal->reason == POP3_POLICY_REASON_DELE;
}

static bool removal_is_flag(struct pop3_policy_session *session,
			    const struct pop3_policy_removal *removal)
{
	return session->deleted_kw != NULL &&
		pop3_policy_removal_is_dele(removal);
}

int pop3_policy_removals_intend(struct pop3_policy_session *session,
				bool may_postpone,
				const ARRAY_TYPE(pop3_policy_removal) *removals,
				ARRAY_TYPE(pop3_policy_intent) *intents,
				const char **error_r)
{
	struct pop3_policy_sender sender;
	struct pop3_policy_intent_request request = {
		.sender = &sender,
		.version = session->login->version,
		.dele_is_flag = session->deleted_kw != NULL,
		.offline = may_postpone ? &session->login->offline : NULL,
		.last_no = &session->intent_no
	};

	pop3_policy_session_sender(session, &sender);
	return pop3_policy_intents_take(&request, removals, intents, error_r);
}

unsigned int
pop3_policy_removals_postpone(struct pop3_policy_session *session,
			      ARRAY_TYPE(pop3_policy_removal) *removals)
{
	struct pop3_policy_removal *removal;
	unsigned int count = 0;

	array_foreach_modifiable(removals, removal) {
		if (!pop3_policy_action_removes(removal->action) ||
		    removal_is_flag(session, removal))
			continue;
		removal->action = POP3_POLICY_ACTION_HIDE;
		removal->mailbox = NULL;
		count++;
	}
	return count;
}

static void
removal_apply(struct pop3_policy_session *session, struct mail *mail,
	      const struct pop3_policy_removal *removal)
{
	if (removal->action != POP3_POLICY_ACTION_EXPUNGE)
		return;
	if (!mail_set_uid(mail, removal->uid))
		return;
	session->passing = TRUE;
	if (removal_is_flag(session, removal))
		mail_update_keywords(mail, MODIFY_ADD, session->deleted_kw);
	else
		mail_expunge(mail);
	session->passing = FALSE;
}

int pop3_policy_removals_apply(struct pop3_policy_session *session,
			       struct mailbox_transaction_context *t,
			       const ARRAY_TYPE(pop3_policy_removal) *removals,
			       const ARRAY_TYPE(pop3_policy_intent) *intents,
			       const char **error_r)
{
	const struct pop3_policy_removal *removal;
	struct mail *mail;

	mail = mail_alloc(t, 0, NULL);
	array_foreach(removals, removal)
		removal_apply(session, mail, removal);
	mail_free(&mail);
	return pop3_policy_intents_check(intents, error_r);
}

unsigned int pop3_policy_removals_verify(struct pop3_policy_session *session,
					 ARRAY_TYPE(seq_range) *uids)
{
	ARRAY_TYPE(seq_range) left;
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid, seq;

	t_array_init(&left, 4);
	seq_range_array_iter_init(&iter, uids);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_index_lookup_seq(session->box->view, uid, &seq))
			seq_range_array_add(&left, uid);
	}
	if (array_count(&left) == 0)
		return 0;
	e_error(session->event, "%u messages were not removed, though the "
		"storage reported no error (is the mailbox read-only for this "
		"user?)", seq_range_count(&left));
	return seq_range_array_remove_seq_range(uids, &left);
}

void
pop3_policy_removals_would(struct pop3_policy_session *session,
			   const ARRAY_TYPE(pop3_policy_removal) *removals)
{
	const struct pop3_policy_removal *removal;
	struct pop3_policy_would *would;

	array_foreach(removals, removal) {
		would = array_append_space(&session->would);
		would->uid = removal->uid;
		guid_128_copy(would->guid, removal->guid);
		would->size = removal->size;
		would->reason = removal->reason;
	}
}

void
pop3_policy_removals_expunged(struct pop3_policy_session *session,
			      const ARRAY_TYPE(pop3_policy_removal) *removals,
			      ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_removal *removal;

	array_foreach(removals, removal) {
		if (pop3_policy_action_removes(removal->action) &&
		    !removal_is_flag(session, removal))
			seq_range_array_add(uids, removal->uid);
	}
}

void pop3_policy_intents_outcome(struct pop3_policy_session *session,
				 const ARRAY_TYPE(pop3_policy_intent) *intents,
				 const char *result)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_intents_tell(&sender, intents, result);
}
